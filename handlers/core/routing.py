"""Which deployments may answer a request, in which order, and what their failures mean to the caller."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from handlers.core import capabilities
from handlers.core.asks import AnyAsk
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
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
from handlers.core.models import find_model, may_use
from handlers.core.pricing import pick_price
from handlers.core.services import SIMULATOR
from providers import errors as provider_errors
from providers.inference.interface import Inference


@dataclass(frozen=True, slots=True)
class Attempt:
    """`number` counts from 0: how many deployments would rather have been asked."""

    model: Model
    deployment: Deployment
    inference: Inference
    number: int

    @property
    def simulated(self) -> bool:
        return self.deployment.vendor == SIMULATOR


async def plan(ask: AnyAsk, call: Call) -> list[Attempt]:
    """At least one attempt. Raises `NotFound`, `Forbidden`, `Invalid` for any of the models, `Unavailable` when no
    vendor is configured for them."""
    places: list[tuple[Model, Deployment]] = []
    for model_id in dict.fromkeys(ask.models):
        offer = await find_model(model_id, call)
        if offer is None:
            raise NotFound(f"there is no model {model_id}", code="model_not_found", param="model")
        if not may_use(offer.model.id, call):
            raise Forbidden(f"this key may not use {model_id}", code="model_not_allowed", param="model")
        capabilities.check(ask, offer.model)
        ordered = _order(offer.deployments, call.services.random)
        if ask.steering.cheapest_first:
            ordered.sort(key=lambda place: _price(offer.model, place))
        places += [(offer.model, place) for place in ordered]
    if not places:
        message = f"no provider of {ask.models[0]} is configured"
        raise Unavailable(message, code="model_unavailable", param="model")
    if not ask.steering.fallback:
        del places[1:]
    inference = call.services.inference
    return [Attempt(model, place, inference[place.vendor], n) for n, (model, place) in enumerate(places)]


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


def _price(model: Model, place: Deployment) -> Decimal:
    """A token in and a token out; what nobody priced comes last."""
    price = pick_price(model, place.vendor, prompt_tokens=0)
    return price.input_usd + price.output_usd if price else Decimal("Infinity")


def _order(deployments: Iterable[Deployment], random: Callable[[], float]) -> list[Deployment]:
    """By chance, as the weights have it (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006);
    one of weight 0 only when all others fail."""
    drawn = [(random() ** (1 / place.weight) if place.weight > 0 else -1.0, place) for place in deployments]
    return [place for _, place in sorted(drawn, key=lambda pair: pair[0], reverse=True)]
