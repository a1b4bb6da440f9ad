"""Which deployments may answer a request, in which order, and what their failures mean to the caller."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from handlers.core import capabilities
from handlers.core.asks import AnyAsk, ChatAsk
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
from handlers.core.container_routes import Route
from handlers.core.containers import missing_model
from handlers.core.errors import (
    CoreError,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    TooLarge,
    Unavailable,
    UpstreamFailed,
)
from handlers.core.messages import content_parts
from handlers.core.models import Offer, find_model, may_use
from handlers.core.own_keys import OwnKey, find_own_keys
from handlers.core.services import SIMULATOR
from providers import errors as provider_errors
from providers.inference.interface import Inference

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Attempt:
    """`number` counts from 0: how many attempts came before. `ask` is what the client asked, with the defaults of the
    container that `route` leads through. `own` is the key it is made with when that is not the server's."""

    ask: AnyAsk
    model: Model
    deployment: Deployment
    inference: Inference
    number: int
    route: Route | None = None
    own: OwnKey | None = None

    @property
    def simulated(self) -> bool:
        return self.deployment.vendor == SIMULATOR


async def plan(ask: AnyAsk, call: Call) -> list[Attempt]:
    """At least one attempt. Raises `NotFound`, `Forbidden`, `Invalid` for any of the models, `Unavailable` when no
    vendor is configured for them."""
    places: list[tuple[Offer, AnyAsk, Deployment, OwnKey | None]] = []
    keys = await find_own_keys(ask.keys, call)
    for model_id in dict.fromkeys(ask.models):
        offer = await find_model(model_id, call)
        if offer is None:
            raise await missing_model(model_id, call)
        if not may_use(offer.served.id, call):
            raise Forbidden(f"this key may not use {model_id}", code="model_not_allowed", param="model")
        variant = offer.route.apply(ask) if offer.route else ask
        capabilities.check(variant, offer.served)
        own = keys.places(offer.served)
        hosted = order(keys.hosted(offer, has_own=bool(own)), call.services.random)
        places += [(offer, variant, place, key) for place, key in [*own, *((place, None) for place in hosted)]]
    for variant in {id(variant): variant for _, variant, _, _ in places}.values():
        await check_pictures(variant, call)
    if not places:
        message = f"no provider of {ask.models[0]} is configured"
        raise keys.complain(ask.models[0]) or Unavailable(message, code="model_unavailable", param="model")
    inference = call.services.inference
    return [
        Attempt(
            variant, offer.served, place, key.inference if key else inference[place.vendor], number, offer.route, key
        )
        for number, (offer, variant, place, key) in enumerate(places)
    ]


async def try_each(attempts: Sequence[Attempt], act: Callable[[Attempt], Awaitable[Result]]) -> tuple[Attempt, Result]:
    """The first success. A request that a vendor refuses is not sent to another, but for a model it does not know."""
    for attempt in attempts:
        try:
            return attempt, await act(attempt)
        except provider_errors.ProviderError as error:
            refused = isinstance(error, provider_errors.Refused) and error.status != 404
            if refused or attempt is attempts[-1]:
                raise _blame(attempt, error) from error
    raise ValueError("there is no attempt to make")


async def check_pictures(ask: AnyAsk, call: Call) -> None:
    """A vendor may stand in our own network and would fetch what it is told to. Raises `Invalid`."""
    if not isinstance(ask, ChatAsk):
        return
    for part in content_parts(ask.messages):
        image = part.get("image_url")
        url = image["url"] if isinstance(image, dict) and isinstance(image.get("url"), str) else ""
        if url and not url.startswith("data:"):
            try:
                await call.services.addresses.look(url)
            except provider_errors.Refused as error:
                raise Invalid(error.message, code=error.code, param="messages") from error


def _blame(attempt: Attempt, error: provider_errors.ProviderError) -> CoreError:
    """A key of the caller's own that its vendor refuses is the caller's to mend."""
    if attempt.own is not None and isinstance(error, provider_errors.Unauthorized):
        return Forbidden(f"{attempt.deployment.vendor} refused the key of your own", code="provider_key_refused")
    return translate(error)


def translate(error: provider_errors.ProviderError) -> CoreError:
    match error:
        case provider_errors.Throttled():
            return RateLimited(error.message, retry_after_seconds=error.retry_after_seconds or 1)
        case provider_errors.Refused(status=404):
            return NotFound(error.message, code="model_not_found", param=error.param or "model")
        case provider_errors.Refused(status=413):
            return TooLarge(error.message)
        case provider_errors.Refused():
            code = error.code if error.code and re.fullmatch(r"[a-z][a-z0-9_]*", error.code) else None
            return Invalid(error.message, code=code, param=error.param)
        case provider_errors.TimedOut():
            return Unavailable(error.message, code="upstream_timeout")
        case provider_errors.Saturated():
            return Unavailable(error.message, code="capacity_unavailable", headers={"Retry-After": "1"})
        case provider_errors.Unavailable():
            return Unavailable(error.message, code="upstream_unavailable")
    return UpstreamFailed(error.message)


def order(deployments: Iterable[Deployment], random: Callable[[], float]) -> list[Deployment]:
    """By chance, as the weights have it (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006);
    one of weight 0 only when all others fail."""
    drawn = [(random() ** (1 / place.weight) if place.weight > 0 else -1.0, place) for place in deployments]
    return [place for _, place in sorted(drawn, key=lambda pair: pair[0], reverse=True)]
