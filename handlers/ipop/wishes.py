"""What `metadata` of a request has an effect here; all of it is kept in the request's record.

`hedge_after_ms`, `disable_external_fallback` (honoured for every key), `fallback_profile` (`cost_first` alone),
`cache_mode` (and `sensitive`, `contains_pii`: such answers are not kept), `client_disconnect_cancel`, `max_cost_usd`,
`max_output_tokens`, `reasoning_effort`, `service_tier`, `include_route_metadata`.

Source: ipop.json: PublicRequestMetadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from handlers.core.asks import CacheMode, Steering
from handlers.core.call import Call
from handlers.core.errors import Invalid

_CACHE_MODES: Mapping[Any, CacheMode] = {"aggressive": "use", "bypass": "bypass"}


def steer(wishes: Mapping[str, Any], call: Call) -> Steering:
    """Raises `Invalid` for a negative `hedge_after_ms`."""
    hedge_after_ms = wishes.get("hedge_after_ms")
    if hedge_after_ms is not None and hedge_after_ms < 0:
        raise Invalid("metadata.hedge_after_ms must not be negative", param="metadata.hedge_after_ms")
    if wishes.get("client_disconnect_cancel") is False:
        call.outlive_client()
    return Steering(
        hedge_after_seconds=None if hedge_after_ms is None else hedge_after_ms / 1000,
        fallback=not wishes.get("disable_external_fallback"),
        cheapest_first=wishes.get("fallback_profile") == "cost_first",
        cache=_cache_mode(wishes),
    )


def read_budget(wishes: Mapping[str, Any]) -> Decimal | None:
    budget = wishes.get("max_cost_usd")
    return None if budget is None else Decimal(str(budget))


def _cache_mode(wishes: Mapping[str, Any]) -> CacheMode:
    if wishes.get("sensitive") or wishes.get("contains_pii"):
        return "bypass"
    return _CACHE_MODES.get(wishes.get("cache_mode"), "default")
