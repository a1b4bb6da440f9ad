"""What `metadata` of a request has an effect here; all of it is kept in the request's record.

docs/ipop-metadata.md tells of each member. No schema has `require_region`; it is what the attestation's page calls the
pin.

Where the document leaves `metadata` open, as for responses, these are held to what it says of them elsewhere.

Source: ipop.json: PublicRequestMetadata.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, get_args

from handlers.core.asks import DEFAULT_POLICY, CacheMode, KeyWish, Policy, Profile, Steering, Wishes
from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from handlers.core.regions import RegionWish

_CACHE_MODES: Mapping[Any, CacheMode] = {"aggressive": "use", "bypass": "bypass"}
_ENUMS: Mapping[str, Collection[str]] = {
    "byok_fallback_policy": get_args(Policy),
    "cache_mode": ("default", "aggressive", "bypass"),
    "fallback_profile": get_args(Profile),
    "reasoning_effort": ("low", "medium", "high", "xhigh"),
    "service_tier": ("standard", "priority"),
    "tool_schema_policy": ("inline", "hash_reference"),
}
_BOOLEANS = (
    "client_disconnect_cancel",
    "contains_pii",
    "disable_external_fallback",
    "fast_lane",
    "hard_session_pin",
    "sensitive",
)
_AFFINITIES = ("session_id", "prompt_cache_key", "prefix_cache_key")
_TEXTS = ("prefer_region", "require_region", *_AFFINITIES)
_INTEGERS = {"hedge_after_ms": 0, "max_output_tokens": 1}
"""With the least that each may be."""


NO_WISHES = Wishes()


def read(metadata: Mapping[str, Any], call: Call) -> Wishes:
    """Raises `Invalid` for what is not of its type."""
    if not metadata and not call.batch:
        return NO_WISHES
    _check(metadata)
    return Wishes(
        max_cost_usd=read_budget(metadata),
        keys=KeyWish(metadata.get("byok_fallback_policy") or DEFAULT_POLICY),
        region=RegionWish(metadata.get("require_region"), metadata.get("prefer_region")),
        steering=steer(metadata, call),
    )


def fill_in(options: dict[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata` may say what has a parameter of its own; the parameter wins, but for the limit on the answer, where
    the smaller one holds."""
    for name in ("reasoning_effort", "service_tier"):
        if metadata.get(name) is not None:
            options.setdefault(name, metadata[name])
    if options.get("service_tier") == "standard":
        options["service_tier"] = "default"
    limit = metadata.get("max_output_tokens")
    if limit is not None:
        names = [name for name in ("max_tokens", "max_completion_tokens") if name in options]
        options |= {name: min(limit, options.get(name, limit)) for name in names or ["max_completion_tokens"]}
    return options


def refuse_hashed_tools(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    if metadata.get("tool_schema_policy") == "hash_reference" and not data.get("tools"):
        message = f"there are no tools stored under the hash {metadata.get('tool_schema_hash')}"
        raise NotFound(message, code="tool_schema_not_found", param="metadata.tool_schema_hash")


def steer(metadata: Mapping[str, Any], call: Call) -> Steering:
    hedge_after_ms = metadata.get("hedge_after_ms")
    if metadata.get("client_disconnect_cancel") is False:
        call.outlive_client()
    affinity = next((name for name in _AFFINITIES if metadata.get(name)), None)
    pinned = metadata.get("hard_session_pin") and affinity == "session_id"
    return Steering(
        hedge_after_seconds=None if hedge_after_ms is None else hedge_after_ms / 1000,
        fallback=not (metadata.get("disable_external_fallback") or pinned),
        profile=_profile(metadata),
        affinity=f"{affinity}={metadata[affinity]}" if affinity else None,
        cache=_cache_mode(metadata),
        batch=call.batch,
    )


def read_budget(metadata: Mapping[str, Any]) -> Decimal | None:
    budget = metadata.get("max_cost_usd")
    return None if budget is None else Decimal(str(budget))


def _profile(metadata: Mapping[str, Any]) -> Profile | None:
    """What is said in so many words goes before what follows from something else."""
    said: Profile | None = metadata.get("fallback_profile")
    if said is not None:
        return said
    if _is_sensitive(metadata):
        return "privacy_first"
    if metadata.get("latency_tier") == "fast" or metadata.get("fast_lane"):
        return "latency_first"
    return "cost_first" if metadata.get("quality_tier") == "low_cost" else None


def _cache_mode(metadata: Mapping[str, Any]) -> CacheMode:
    return "bypass" if _is_sensitive(metadata) else _CACHE_MODES.get(metadata.get("cache_mode"), "default")


def _is_sensitive(metadata: Mapping[str, Any]) -> bool:
    return bool(metadata.get("sensitive") or metadata.get("contains_pii"))


def _check(metadata: Mapping[str, Any]) -> None:
    for name, value in metadata.items():
        fault = None if value is None else _fault(name, value)
        if fault is not None:
            raise Invalid(f"metadata.{name} must be {fault}", param=f"metadata.{name}")


def _fault(name: str, value: Any) -> str | None:
    """What it is not."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name in _ENUMS and value not in _ENUMS[name]:
        return f"one of {', '.join(_ENUMS[name])}"
    if name in _BOOLEANS and not isinstance(value, bool):
        return "true or false"
    if name in _TEXTS and not isinstance(value, str):
        return "a text"
    if name == "max_cost_usd" and not is_number:
        return "a number"
    if name in _INTEGERS and not (is_number and value % 1 == 0 and value >= _INTEGERS[name]):
        return f"a whole number of at least {_INTEGERS[name]}"
    return None
