"""The `ipop` object of an answer.

Source: ipop.json: IpopMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from handlers.core.asks import Steering
from handlers.core.call import Call
from handlers.core.history.records import Record
from handlers.core.metering import Served
from handlers.core.own_keys import describe
from handlers.core.regions import RegionWish


class Ask(Protocol):
    """What was asked, for whatever."""

    @property
    def steering(self) -> Steering: ...

    @property
    def region(self) -> RegionWish: ...


class Attempt(Served, Protocol):
    @property
    def number(self) -> int: ...

    @property
    def region(self) -> str | None: ...


def answered(call: Call, cost_micros: int) -> dict[str, Any]:
    """What every answer tells of itself."""
    elapsed = call.services.clock() - call.record.started_at
    return {
        "request_id": call.request_id,
        "latency_ms": max(0, int(elapsed * 1000)),
        "cost_usd": cost_micros / 1_000_000,
        "cache_hit": False,
    }


def routed(wishes: Mapping[str, Any], ask: Ask, attempt: Attempt, call: Call) -> dict[str, Any]:
    """The way of an answer that somebody gave; empty for `include_route_metadata: false`."""
    if wishes.get("include_route_metadata") is False:
        return {}
    told: dict[str, Any] = {
        "fallback_used": attempt.number > 0,
        "fallback_count": attempt.number,
        "route_class": route_class(call.record, call),
    }
    if attempt.region is not None:
        told["region"] = attempt.region
    if attempt.own is not None:
        told["provider_key"] = describe(attempt.own)
    if ask.steering.profile is not None or ask.steering.affinity is not None:
        told["route_preference"] = _preference(ask.steering, attempt)
    return told


def route_class(record: Record, call: Call) -> str:
    """Which of the four kinds of places answered: a region counts where it was asked for."""
    noted = record.metadata or {}
    wishes = noted.get("metadata") or {}
    if record.cache_hit:
        return "cache"
    if record.region is not None and record.region in (wishes.get("require_region"), wishes.get("prefer_region")):
        return "regional_capacity"
    elsewhere = (noted.get("provider_key") or {}).get("elsewhere")
    internal = record.provider is not None and call.services.traits(record.provider).internal and not elsewhere
    return "ipop_network" if internal else "external_capacity"


def _preference(steering: Steering, attempt: Attempt) -> dict[str, Any]:
    told: dict[str, Any] = {"provider": attempt.deployment.vendor, "session_affinity": steering.affinity is not None}
    return told if steering.profile is None else {"fallback_profile": steering.profile, **told}
