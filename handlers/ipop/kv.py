from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from codegen.generated.ipop.routes import KvItemsDeleteParams, KvItemsGetParams, KvItemsListParams, KvItemsPutBody
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.kv import KvItem, KvPage, KvSummary, KvWrite

_TABLE = "default"
_TYPES = {"json": "application/json", "bytes": "application/octet-stream"}
_EPOCH = datetime.fromtimestamp(0, UTC)
_LARGE_BYTES = 256 * 1024
"""What is larger is encoded in a thread."""


async def kv_get(call: Call) -> dict[str, Any]:
    summary = await call.services.kv.summary(call.caller.project_id)
    tariff = summary.tariff
    return {
        "object": "kv.summary",
        "table": _table(summary),
        "usage": _usage(summary),
        "free_tier": {
            "tables": 1,
            "storage_bytes": tariff.free_storage_bytes,
            "ingress_bytes_per_month": tariff.free_ingress_bytes,
            "egress_bytes_per_month": tariff.free_egress_bytes,
        },
        "rate_card": {
            "currency": "usd",
            "storage_usd_per_gb_month": tariff.storage_usd_per_gb_month,
            "ingress_usd_per_gb": tariff.ingress_usd_per_gb,
            "egress_usd_per_gb": tariff.egress_usd_per_gb,
            "operation_usd": 0,
        },
    }


async def kv_items_list(params: KvItemsListParams, call: Call) -> dict[str, Any]:
    """A cursor is the last key of the page before."""
    page = KvPage(params.prefix or "", params.cursor, params.limit, params.include_values)
    items, after = await call.services.kv.list(call.caller.project_id, page)
    data = [_render(item) | (await _value(item) if page.with_values else {}) for item in items]
    return {"object": "kv.list", "table_id": _TABLE, "data": data, "next_cursor": after}


async def kv_items_put(body: KvItemsPutBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    if data.get("create_only") and data.get("if_version") is not None:
        raise Invalid("create_only and if_version contradict each other", param="create_only")
    mode = "bytes" if "value_base64" in data else "json"
    ttl = data.get("ttl_seconds")
    write = KvWrite(
        key=data["key"],
        mode=mode,
        content_type=data.get("content_type") or _TYPES[mode],
        value=await _read_value(data, mode),
        expires_us=None if ttl is None else call.services.kv.after(ttl),
        if_version=0 if data.get("create_only") else data.get("if_version"),
    )
    if "\0" in write.content_type:
        raise Invalid("content_type must not hold a NUL", param="content_type")
    return _render(await call.services.kv.put(call.caller.project_id, write))


async def kv_items_get(params: KvItemsGetParams, call: Call) -> dict[str, Any]:
    item = await call.services.kv.get(call.caller.project_id, params.key)
    return _render(item) | await _value(item)


async def kv_items_delete(params: KvItemsDeleteParams, call: Call) -> dict[str, Any]:
    return _render(await call.services.kv.delete(call.caller.project_id, params.key, params.if_version))


async def _read_value(data: Mapping[str, Any], mode: str) -> bytes:
    """Raises `Invalid` for what is no base64."""
    if mode == "json":
        return await asyncio.to_thread(orjson.dumps, data["value"])
    try:
        return bytes(await _off_loop(_decode, data["value_base64"]))
    except (binascii.Error, ValueError):
        raise Invalid("value_base64 is not base64", param="value_base64") from None


async def _value(item: KvItem) -> dict[str, Any]:
    value = item.value or b""
    if item.mode == "bytes":
        return {"value_base64": await _off_loop(_encode, value)}
    return {"value": await _off_loop(orjson.loads, value)}


async def _off_loop(act: Any, value: bytes | str) -> Any:
    return act(value) if len(value) <= _LARGE_BYTES else await asyncio.to_thread(act, value)


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _render(item: KvItem) -> dict[str, Any]:
    return {
        "object": "kv.item",
        "table_id": _TABLE,
        "key": item.key,
        "mode": item.mode,
        "content_type": item.content_type,
        "version": item.version,
        "storage_bytes": item.size_bytes,
        "created_at": _time(item.created_us),
        "updated_at": _time(item.updated_us),
        "expires_at": None if item.expires_us is None else _time(item.expires_us),
    }


def _table(summary: KvSummary) -> dict[str, Any]:
    sums = summary.sums
    return {
        "object": "kv.table",
        "table_id": _TABLE,
        "item_count": sums.item_count,
        "storage_bytes": sums.storage_bytes,
        "billing_blocked": False,
        "created_at": _time(sums.created_us),
        "updated_at": _time(sums.updated_us),
        "last_storage_billed_at": _time(sums.metered_at * 1_000_000),
    }


def _usage(summary: KvSummary) -> dict[str, Any]:
    costs = (summary.ingress_cost_usd, summary.egress_cost_usd, summary.storage_cost_usd)
    return {
        "month_utc": summary.month,
        "ingress_bytes": summary.ingress_bytes,
        "egress_bytes": summary.egress_bytes,
        "storage_byte_seconds": summary.storage_byte_seconds,
        "ingress_cost_usd": costs[0],
        "egress_cost_usd": costs[1],
        "storage_cost_usd": costs[2],
        "cost_usd": sum(costs),
    }


def _time(microseconds: int) -> str:
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
