"""What `metadata` of a request has an effect here; all of it is kept in the request's record.

`byok_fallback_policy`, `require_region` (no schema has it; it is what the attestation's page calls the pin),
`prefer_region`, `hedge_after_ms`, `disable_external_fallback` (honoured for every key), `fallback_profile`
(`cost_first` alone), `cache_mode` (and `sensitive`, `contains_pii`: such answers are not kept),
`client_disconnect_cancel`, `max_cost_usd`, `max_output_tokens`, `reasoning_effort`, `service_tier`,
`include_route_metadata`.

Where the document leaves `metadata` open, as for responses, these are held to what it says of them elsewhere.

Source: ipop.json: PublicRequestMetadata.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any, get_args

from handlers.core.asks import DEFAULT_POLICY, CacheMode, KeyWish, Policy, Steering, Wishes
from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from handlers.core.regions import RegionWish

_CACHE_MODES: Mapping[Any, CacheMode] = {"aggressive": "use", "bypass": "bypass"}
_ENUMS: Mapping[str, Collection[str]] = {
    "byok_fallback_policy": get_args(Policy),
    "cache_mode": ("default", "aggressive", "bypass"),
    "fallback_profile": ("network_first", "latency_first", "cost_first", "privacy_first"),
    "reasoning_effort": ("low", "medium", "high", "xhigh"),
    "service_tier": ("standard", "priority"),
    "tool_schema_policy": ("inline", "hash_reference"),
}
_BOOLEANS = ("client_disconnect_cancel", "contains_pii", "disable_external_fallback", "sensitive")
_TEXTS = ("prefer_region", "require_region")
_INTEGERS = {"hedge_after_ms": 0, "max_output_tokens": 1}
"""With the least that each may be."""


def read(metadata: Mapping[str, Any], call: Call) -> Wishes:
    """Raises `Invalid` for what is not of its type."""
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
    return Steering(
        hedge_after_seconds=None if hedge_after_ms is None else hedge_after_ms / 1000,
        fallback=not metadata.get("disable_external_fallback"),
        cheapest_first=metadata.get("fallback_profile") == "cost_first",
        cache=_cache_mode(metadata),
    )


def read_budget(metadata: Mapping[str, Any]) -> Decimal | None:
    budget = metadata.get("max_cost_usd")
    return None if budget is None else Decimal(str(budget))


def _cache_mode(metadata: Mapping[str, Any]) -> CacheMode:
    if metadata.get("sensitive") or metadata.get("contains_pii"):
        return "bypass"
    return _CACHE_MODES.get(metadata.get("cache_mode"), "default")


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
