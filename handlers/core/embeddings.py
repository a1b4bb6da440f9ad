"""Turning texts into vectors: which model, for whom, at what price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

from handlers.core import metering, regions, trials
from handlers.core.asks import Wishes
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
from handlers.core.errors import Forbidden, Invalid, NotFound, Unavailable
from handlers.core.metering import BYTES_PER_TOKEN, Meter
from handlers.core.models import find_model, may_use
from handlers.core.own_keys import OwnKey, find_own_keys
from handlers.core.places import find_places, keep_region, locate
from handlers.core.pricing import pick_price
from handlers.core.trials import Hedge
from handlers.core.tries import note_asked
from providers.embeddings.interface import Embedder, Embeddings, EmbeddingsRequest, Vector
from providers.inference.interface import Usage

MOST_TEXTS = 2048
FRAME_TOKENS = 2


@dataclass(slots=True, kw_only=True)
class EmbedAsk(Wishes):
    """`truncate` as in `EmbeddingsRequest`. `options` are parameters of OpenAI's API under their own names. `param` is
    what the dialect calls the texts."""

    model: str
    texts: Sequence[str]
    dimensions: int | None = None
    truncate: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    param: str = "input"

    @property
    def prompt_bytes(self) -> bytes:
        """The texts as a compact JSON list."""
        return orjson.dumps(list(self.texts))


@dataclass(frozen=True, slots=True)
class Attempt:
    """As `routing.Attempt`, for vectors."""

    model: Model
    deployment: Deployment
    embedder: Embedder
    number: int
    own: OwnKey[Embedder] | None = None
    region: str | None = None
    simulated: bool = False
    route: None = None
    """Containers are for chats and texts."""

    @property
    def shared(self) -> bool:
        return self.own is None


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
    attempts = await metering.keep_affordable(await _plan(ask, call), call)
    attempts = await _keep_budget(ask, attempts)
    tier = "batch" if ask.steering.batch else "standard"
    meter = await metering.admit_tokens(attempts[0], _estimate(ask), call, tier)
    try:
        attempt, answer = await _ask_each(ask, attempts, meter)
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
    keys = await find_own_keys(ask.keys, call.services.credentials.vendors.embedder_with_key, [offer.served], call)
    regions.pin(ask, call)
    places = find_places(keys, offer, ask.steering, call)
    if not places:
        message = f"no provider of {ask.model} is configured"
        raise keys.complain(ask.model) or Unavailable(message, code="model_unavailable", param="model")
    embedders = call.services.embeddings
    attempts = [
        Attempt(
            model=offer.model,
            deployment=place,
            embedder=key.client if key else embedders[place.vendor],
            number=0,
            own=key,
            region=locate(place, key, call),
        )
        for place, key in places
    ]
    attempts = keep_region(attempts, ask.region, ask.model)
    if not ask.steering.fallback:
        del attempts[1:]
    return [replace(attempt, number=number) for number, attempt in enumerate(attempts)]


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


async def _ask_each(ask: EmbedAsk, attempts: Sequence[Attempt], meter: Meter) -> tuple[Attempt, Embeddings]:
    after_seconds = ask.steering.hedge_after_seconds
    hedge = None if after_seconds is None else Hedge[Embeddings](after_seconds, _nothing)
    attempt, answer = await trials.try_each(attempts, partial(_ask, ask, meter), meter.call, hedge)
    meter.begin(attempt)
    return attempt, answer


async def _ask(ask: EmbedAsk, meter: Meter, attempt: Attempt) -> Embeddings:
    meter.begin(attempt)
    request = EmbeddingsRequest(attempt.deployment.model, ask.texts, ask.dimensions, ask.truncate, ask.options)
    answer = await attempt.embedder.embed(request)
    meter.note_first_byte()
    return answer


async def _nothing(_: Embeddings) -> None:
    """Vectors leave nothing open."""


async def _usage(ask: EmbedAsk, attempt: Attempt, answer: Embeddings) -> Usage:
    if answer.prompt_tokens is not None:
        return Usage(answer.prompt_tokens, 0)
    counted = await attempt.embedder.count_tokens(attempt.deployment.model, ask.texts)
    return Usage(counted, 0, counted_by="concordat")


async def _keep_budget(ask: EmbedAsk, attempts: list[Attempt]) -> list[Attempt]:
    """Those that cost no more than they may. Raises `Invalid` when there is none."""
    if ask.max_cost_usd is None:
        return attempts
    most = ask.max_cost_usd * 1_000_000
    kept = [attempt for attempt in attempts if attempt.own or await _cost_micros(ask, attempt) <= most]
    if not kept:
        raise Invalid("the request costs more than max_cost_usd", code="max_cost_exceeded", param="max_cost_usd")
    return kept


async def _cost_micros(ask: EmbedAsk, attempt: Attempt) -> Decimal:
    counted = await attempt.embedder.count_tokens(attempt.deployment.model, ask.texts)
    price = pick_price(attempt.model, attempt.deployment.vendor, counted)
    return price.input_usd * counted if price else Decimal(0)


def _estimate(ask: EmbedAsk) -> int:
    return sum(len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN + FRAME_TOKENS for text in ask.texts)
