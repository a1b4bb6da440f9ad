"""What `metadata` of a request has an effect here; all of it is kept in the request's record.

docs/ipop-metadata.md tells of each member.

Source: ipop.json: PublicRequestMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from handlers.core.asks import DEFAULT_POLICY, CacheMode, KeyWish, Profile, Steering
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.regions import RegionWish

_CACHE_MODES: Mapping[Any, CacheMode] = {"aggressive": "use", "bypass": "bypass"}
_AFFINITIES = ("session_id", "prompt_cache_key", "prefix_cache_key")


def steer(wishes: Mapping[str, Any], call: Call) -> Steering:
    """Raises `Invalid` for a negative `hedge_after_ms`."""
    hedge_after_ms = wishes.get("hedge_after_ms")
    if hedge_after_ms is not None and hedge_after_ms < 0:
        raise Invalid("metadata.hedge_after_ms must not be negative", param="metadata.hedge_after_ms")
    if wishes.get("client_disconnect_cancel") is False:
        call.outlive_client()
    affinity = next((name for name in _AFFINITIES if wishes.get(name)), None)
    pinned = wishes.get("hard_session_pin") and affinity == "session_id"
    return Steering(
        hedge_after_seconds=None if hedge_after_ms is None else hedge_after_ms / 1000,
        fallback=not (wishes.get("disable_external_fallback") or pinned),
        profile=_profile(wishes),
        affinity=f"{affinity}={wishes[affinity]}" if affinity else None,
        cache=_cache_mode(wishes),
        batch=call.batch,
    )


def read_budget(wishes: Mapping[str, Any]) -> Decimal | None:
    budget = wishes.get("max_cost_usd")
    return None if budget is None else Decimal(str(budget))


def read_keys(wishes: Mapping[str, Any]) -> KeyWish:
    return KeyWish(wishes.get("byok_fallback_policy") or DEFAULT_POLICY)


def read_region(wishes: Mapping[str, Any]) -> RegionWish:
    """No schema has `require_region`; it is what the attestation's page calls the pin."""
    required = wishes.get("require_region")
    if required is not None and not isinstance(required, str):
        raise Invalid("metadata.require_region must be a text", param="metadata.require_region")
    return RegionWish(required, wishes.get("prefer_region"))


def _profile(wishes: Mapping[str, Any]) -> Profile | None:
    """What is said in so many words goes before what follows from something else."""
    said: Profile | None = wishes.get("fallback_profile")
    if said is not None:
        return said
    if _is_sensitive(wishes):
        return "privacy_first"
    if wishes.get("latency_tier") == "fast" or wishes.get("fast_lane"):
        return "latency_first"
    return "cost_first" if wishes.get("quality_tier") == "low_cost" else None


def _cache_mode(wishes: Mapping[str, Any]) -> CacheMode:
    return "bypass" if _is_sensitive(wishes) else _CACHE_MODES.get(wishes.get("cache_mode"), "default")


def _is_sensitive(wishes: Mapping[str, Any]) -> bool:
    return bool(wishes.get("sensitive") or wishes.get("contains_pii"))
