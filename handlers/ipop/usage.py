from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from codegen.generated.ipop.routes import UsageExportParams, UsageGetParams
from handlers.core.call import Call
from handlers.core.history import records
from handlers.core.history.events import token_details
from handlers.core.history.records import Record, Which
from handlers.ipop import downloads
from handlers.ipop.moments import read_moment, usd, write_moment
from handlers.wire.reply import ByteStream

SUMMED = ("prompt_tokens", "completion_tokens", "cost_micros")


async def usage_get(params: UsageGetParams, call: Call) -> dict[str, Any]:
    """The totals are of all that was asked for, the records a page of it."""
    which = _which(params, call)
    found = await records.list_records(which, call, limit=params.limit, after=params.after)
    sums = await call.services.history.sums(which, of=("requests", *SUMMED))
    return {**_totals(sums.get((), {})), "records": [_render(record) for record in found]}


async def usage_export(params: UsageExportParams, call: Call) -> ByteStream:
    walk = await records.walk_records(_which(params, call), call)
    totals = Counter[str]()
    return downloads.summary(_rendered(walk, totals), lambda: _totals(totals), "usage.json")


def _which(params: UsageGetParams | UsageExportParams, call: Call) -> Which:
    return Which(
        project_id=call.caller.project_id,
        model=params.model,
        api=params.api,
        since=read_moment(params.created_at_from, "created_at_from"),
        until=read_moment(params.created_at_to, "created_at_to"),
        finished=True,
    )


def _totals(sums: Mapping[str, int]) -> dict[str, Any]:
    return {
        "total_requests": sums.get("requests", 0),
        "total_tokens_in": sums.get("prompt_tokens", 0),
        "total_tokens_out": sums.get("completion_tokens", 0),
        "total_cost": usd(sums.get("cost_micros", 0)),
    }


async def _rendered(pages: AsyncIterator[list[Record]], totals: Counter[str]) -> AsyncIterator[list[dict[str, Any]]]:
    async for page in pages:
        totals["requests"] += len(page)
        for name in SUMMED:
            totals[name] += sum(getattr(record, name) for record in page)
        yield [_render(record) for record in page]


def _render(record: Record) -> dict[str, Any]:
    """What a vendor bills to a key of the project's own costs nothing here."""
    return {
        "request_id": record.request_id,
        "model": record.model or record.requested_model or "",
        "tokens_in": record.prompt_tokens,
        "tokens_out": record.completion_tokens,
        "token_details": token_details(record),
        "cost": usd(record.cost_micros),
        "provider_billed": "provider_key" in (record.metadata or {}),
        "duration_ms": (record.duration_us or 0) // 1000,
        "created_at": write_moment(record.started_at),
    }
