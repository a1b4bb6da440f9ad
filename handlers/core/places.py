"""Where a model may be asked, with whose key, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any, Protocol, TypeVar

from handlers.core.asks import Steering
from handlers.core.call import Call
from handlers.core.catalog import Deployment, Model
from handlers.core.errors import Unavailable
from handlers.core.models import Offer
from handlers.core.own_keys import OwnKey, OwnKeys, is_elsewhere
from handlers.core.pricing import pick_price
from handlers.core.regions import RegionWish

Client = TypeVar("Client")
Place = tuple[Deployment, OwnKey[Client] | None]


class Located(Protocol):
    @property
    def region(self) -> str | None: ...


There = TypeVar("There", bound=Located)


def find_places(keys: OwnKeys[Client], offer: Offer, steering: Steering, call: Call) -> list[Place[Client]]:
    """Where one model may be asked: the caller's own keys go first."""
    own = keys.places(offer.served)
    hosted = arrange(keys.hosted(offer), offer.served, steering, call)
    return [*own, *((place, None) for place in hosted)]


def arrange(places: Iterable[Deployment], model: Model, steering: Steering, call: Call) -> list[Deployment]:
    """As the weights have it, those first that the profile wants first."""
    ordered = list(places)
    if len(ordered) < 2:
        return ordered
    services = call.services
    ordered = order(ordered, _chance(steering.affinity, call))

    def seconds(place: Deployment) -> float:
        """What was not measured lately is asked first, so that it is."""
        return services.latencies.seconds(place, call.record.streamed) or 0.0

    match steering.profile:
        case "cost_first":
            ordered.sort(key=lambda place: _price(model, place))
        case "latency_first":
            ordered.sort(key=seconds)
        case "privacy_first":
            ordered.sort(key=lambda place: not services.traits(place.vendor).private)
        case "network_first":
            ordered.sort(key=lambda place: not services.traits(place.vendor).internal)
    return ordered


def order(places: Iterable[Deployment], chance: Callable[[Deployment], float]) -> list[Deployment]:
    """By chance, as the weights have it (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006);
    one of weight 0 only when all others fail."""
    drawn = [(chance(place) ** (1 / place.weight) if place.weight > 0 else -1.0, place) for place in places]
    return [place for _, place in sorted(drawn, key=lambda pair: pair[0], reverse=True)]


def locate(place: Deployment, key: OwnKey[Any] | None, call: Call) -> str | None:
    """The region of an answer, as far as it is known: an address of the caller's own choice may be anywhere."""
    return None if is_elsewhere(key) else call.services.regions.of_vendor(place.vendor)


def keep_region(attempts: Sequence[There], wish: RegionWish, model_id: str) -> list[There]:
    """Raises `Unavailable` when nobody is where the request must be answered."""
    if wish.required is not None:
        attempts = [attempt for attempt in attempts if attempt.region == wish.required]
        if not attempts:
            message = f"no provider of {model_id} is in the region {wish.required}"
            raise Unavailable(message, code="model_unavailable", param="metadata.require_region")
    if wish.preferred is None:
        return list(attempts)
    return sorted(attempts, key=lambda attempt: attempt.region != wish.preferred)


def _chance(affinity: str | None, call: Call) -> Callable[[Deployment], float]:
    """In [0, 1): by chance, or with an affinity always the same for the same place, whatever others there are."""
    if affinity is None:
        return lambda place: call.services.random()
    about = f"{call.caller.project_id}\0{affinity}\0"

    def chance(place: Deployment) -> float:
        hashed = sha256(f"{about}{place.vendor}\0{place.model}".encode("utf-8", "replace")).digest()
        return int.from_bytes(hashed[:6], "big") / 2**48

    return chance


def _price(model: Model, place: Deployment) -> Decimal:
    """A token in and a token out; what nobody priced comes last."""
    price = pick_price(model, place.vendor, prompt_tokens=0)
    return price.input_usd + price.output_usd if price else Decimal("Infinity")
