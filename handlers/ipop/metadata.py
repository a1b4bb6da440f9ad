"""IPOP's `metadata` of a request, and the `ipop` object of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.core.call import Call
from handlers.core.errors import Forbidden
from handlers.core.history.records import Record
from handlers.core.services import SIMULATOR

_OWN_KEYS_ONLY = ("byok_only", "fail_closed_on_byok_error")


def check_key_policy(wishes: Mapping[str, Any]) -> None:
    """For what is only done with the server's keys: raises `Forbidden` where the policy wants the project's own."""
    if wishes.get("byok_fallback_policy") in _OWN_KEYS_ONLY:
        message = "this is done with the server's own provider keys, which the policy does not allow"
        raise Forbidden(message, code="policy_violation", param="metadata.byok_fallback_policy")


def answered(call: Call, cost_micros: int) -> dict[str, Any]:
    """What every answer tells of itself."""
    elapsed = call.services.clock() - call.record.started_at
    return {
        "request_id": call.request_id,
        "latency_ms": max(0, int(elapsed * 1000)),
        "cost_usd": cost_micros / 1_000_000,
        "cache_hit": False,
    }


def route_class(record: Record, call: Call) -> str:
    """Which of the four kinds of places answered: a region counts where it was asked for."""
    wishes = (record.metadata or {}).get("metadata") or {}
    if record.cache_hit:
        return "cache"
    if record.region is not None and record.region in (wishes.get("require_region"), wishes.get("prefer_region")):
        return "regional_capacity"
    ours = record.provider == SIMULATOR or record.provider in call.services.embedded
    return "ipop_network" if ours else "external_capacity"
