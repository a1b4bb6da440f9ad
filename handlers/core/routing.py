"""Which deployments may answer a request, in which order, and what their failures mean to the caller."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Protocol

from handlers.core import capabilities, regions
from handlers.core.asks import AnyAsk
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
from handlers.core.models import Offer, find_model, may_use
from handlers.core.own_keys import OwnKey, OwnKeys, find_own_keys
from handlers.core.pictures import check_pictures
from handlers.core.places import find_places, keep_region, locate
from handlers.core.services import SIMULATOR
from handlers.core.tries import note_asked
from providers import errors as provider_errors
from providers.inference.interface import Inference


@dataclass(slots=True)
class Attempt:
    """`number` counts from 0: how many deployments would rather have been asked. `ask` is what the client asked, with
    the defaults of the container that `route` leads through. `own` is the key it is made with when that is not the
    server's. `region` is where it is answered, as far as that is known."""

    ask: AnyAsk
    model: Model
    deployment: Deployment
    inference: Inference
    number: int
    route: Route | None = None
    own: OwnKey[Inference] | None = None
    region: str | None = None

    @property
    def route_id(self) -> str | None:
        """What the client asked for when that is a container."""
        return self.route.id if self.route else None

    @property
    def simulated(self) -> bool:
        return self.deployment.vendor == SIMULATOR

    @property
    def shared(self) -> bool:
        """Whether it tells others how the deployment does: one's own key and a scripted fault do not."""
        return self.own is None and not self.simulated


async def plan(ask: AnyAsk, call: Call) -> list[Attempt]:
    """At least one attempt. Raises `NotFound`, `Forbidden`, `Invalid` for any of the models, `Unavailable` when no
    vendor is configured for them."""
    note_asked(ask.models[0], call)
    offers = [await _offer(model_id, ask, call) for model_id in dict.fromkeys(ask.models)]
    make = call.services.credentials.vendors.with_key
    keys: OwnKeys[Inference] = await find_own_keys(ask.keys, make, [offer.served for offer, _ in offers], call)
    plans = [
        (offer, variant, place, key)
        for offer, variant in offers
        for place, key in find_places(keys, offer, ask.steering, call)
    ]
    for variant in {id(variant): variant for _, variant in offers}.values():
        await check_pictures(variant, call)
    regions.pin(ask, call)
    if not plans:
        message = f"no provider of {ask.models[0]} is configured"
        raise keys.complain(ask.models[0]) or Unavailable(message, code="model_unavailable", param="model")
    inference = call.services.inference
    attempts = [
        Attempt(
            ask=variant,
            model=offer.served,
            deployment=place,
            inference=key.client if key else inference[place.vendor],
            number=number,
            route=offer.route,
            own=key,
            region=locate(place, key, call),
        )
        for number, (offer, variant, place, key) in enumerate(plans)
    ]
    attempts = keep_region(attempts, ask.region, ask.models[0])
    if not ask.steering.fallback:
        del attempts[1:]
    return [
        attempt if attempt.number == number else replace(attempt, number=number)
        for number, attempt in enumerate(attempts)
    ]


async def _offer(model_id: str, ask: AnyAsk, call: Call) -> tuple[Offer, AnyAsk]:
    """A model, and what it is asked: with the defaults of the container that leads to it."""
    offer = await find_model(model_id, call)
    if offer is None:
        raise await missing_model(model_id, call)
    if not may_use(offer.served.id, call):
        raise Forbidden(f"this key may not use {model_id}", code="model_not_allowed", param="model")
    variant = offer.route.apply(ask) if offer.route else ask
    capabilities.check(variant, offer.served)
    return offer, variant


class Asked(Protocol):
    """A place that was asked, under somebody's key."""

    @property
    def deployment(self) -> Deployment: ...

    @property
    def own(self) -> OwnKey[Any] | None: ...


def blame(attempt: Asked, error: provider_errors.ProviderError) -> CoreError:
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
