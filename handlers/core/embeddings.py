"""Turning texts into vectors: which model, for whom, at what price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from handlers.core import routing
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
from handlers.core.errors import Forbidden, Invalid, NotFound, Unavailable
from handlers.core.metering import BYTES_PER_TOKEN, Meter
from handlers.core.models import find_model, may_use
from handlers.core.pricing import pick_price
from handlers.core.tries import Try, note_asked
from providers.embeddings.interface import Embedder, Embeddings, EmbeddingsRequest, Vector
from providers.errors import ProviderError, Refused
from providers.inference.interface import Usage

MOST_TEXTS = 2048
FRAME_TOKENS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedAsk:
    """`truncate` as in `EmbeddingsRequest`. `options` are parameters of OpenAI's API under their own names;
    `max_cost_usd` is a promise to the client, kept before the vendor's call. `param` is what the dialect calls the
    texts."""

    model: str
    texts: Sequence[str]
    dimensions: int | None = None
    truncate: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    max_cost_usd: Decimal | None = None
    param: str = "input"


@dataclass(frozen=True, slots=True)
class Attempt:
    """`number` counts from 0: how many attempts came before."""

    model: Model
    deployment: Deployment
    embedder: Embedder
    number: int
    region: str | None = None
    own: None = None
    """Vectors are made under the server's keys alone."""
    route: None = None
    """Containers are for chats and texts."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """`vectors` are in the order of the texts."""

    attempt: Attempt
    vectors: Sequence[Vector]
    usage: Usage
    cost_micros: int


async def embed(ask: EmbedAsk, call: Call) -> Embedded:
    """Raises `NotFound`, `Forbidden`, `Invalid`, `Unavailable`, what `quota.admit` says, and what the vendor's error
    is to the caller."""
    attempts = await _plan(ask, call)
    await _keep_budget(ask, attempts[0])
    meter = Meter(call, await call.services.quota.admit(call.caller, _estimate(ask)), "standard")
    try:
        attempt, answer = await _try_each(ask, attempts, meter)
        meter.charge(attempt, await _usage(ask, attempt, answer), None)
    finally:
        await meter.settle()
    return Embedded(attempt, answer.vectors, meter.usage, meter.cost_micros)


async def _plan(ask: EmbedAsk, call: Call) -> list[Attempt]:
    note_asked(ask.model, call)
    offer = await find_model(ask.model, call)
    if offer is None:
        raise NotFound(f"there is no model {ask.model}", code="model_not_found", param="model")
    if offer.route is not None:
        raise Invalid(f"{ask.model} is a container, and no embedding model", code="wrong_container_api", param="model")
    if not may_use(offer.model.id, call):
        raise Forbidden(f"this key may not use {ask.model}", code="model_not_allowed", param="model")
    _check(ask, offer.model)
    if not offer.deployments:
        raise Unavailable(f"no provider of {ask.model} is configured", code="model_unavailable", param="model")
    embedders = call.services.embeddings
    places = routing.order(offer.deployments, call.services.random)
    region_of = call.services.regions.of_vendor
    return [
        Attempt(offer.model, place, embedders[place.vendor], number, region_of(place.vendor))
        for number, place in enumerate(places)
    ]


def _check(ask: EmbedAsk, model: Model) -> None:
    if "embeddings" not in model.capabilities:
        message = f"{model.id} does not make embeddings"
        raise Invalid(message, code="model_does_not_support_embeddings", param="model")
    if not 0 < len(ask.texts) <= MOST_TEXTS:
        raise Invalid(f"{ask.param} must hold between 1 and {MOST_TEXTS} texts", param=ask.param)
    most = model.embedding_dimensions
    if ask.dimensions is not None and (ask.dimensions < 1 or (most is not None and ask.dimensions > most)):
        message = f"dimensions must be between 1 and {most}" if most else "dimensions must be at least 1"
        raise Invalid(message, code="dimensions_not_supported", param="dimensions")


async def _try_each(ask: EmbedAsk, attempts: Sequence[Attempt], meter: Meter) -> tuple[Attempt, Embeddings]:
    """The first success. A request that a vendor refuses is not sent to another, but for a model it does not know."""
    for attempt in attempts:
        try:
            return attempt, await _ask(ask, attempt, meter)
        except ProviderError as error:
            refused = isinstance(error, Refused) and error.status != 404
            if refused or attempt is attempts[-1]:
                raise routing.translate(error) from error
    raise ValueError("there is no attempt to make")


async def _ask(ask: EmbedAsk, attempt: Attempt, meter: Meter) -> Embeddings:
    meter.begin(attempt)
    request = EmbeddingsRequest(attempt.deployment.model, ask.texts, ask.dimensions, ask.truncate, ask.options)
    with Try(meter.call, attempt):
        answer = await attempt.embedder.embed(request)
    meter.note_first_byte()
    return answer


async def _usage(ask: EmbedAsk, attempt: Attempt, answer: Embeddings) -> Usage:
    if answer.prompt_tokens is not None:
        return Usage(answer.prompt_tokens, 0)
    counted = await attempt.embedder.count_tokens(attempt.deployment.model, ask.texts)
    return Usage(counted, 0, counted_by="concordat")


async def _keep_budget(ask: EmbedAsk, attempt: Attempt) -> None:
    if ask.max_cost_usd is None:
        return
    counted = await attempt.embedder.count_tokens(attempt.deployment.model, ask.texts)
    price = pick_price(attempt.model, attempt.deployment.vendor, counted)
    if price is not None and price.input_usd * counted > ask.max_cost_usd * 1_000_000:
        raise Invalid("the request costs more than max_cost_usd", code="max_cost_exceeded", param="max_cost_usd")


def _estimate(ask: EmbedAsk) -> int:
    return sum(len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + FRAME_TOKENS for text in ask.texts)
