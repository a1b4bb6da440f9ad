from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from codegen.generated.ipop.routes import MeterEventsExportParams, MeterEventsListParams
from handlers.core.call import Call
from handlers.core.history import meters
from handlers.core.history.meters import Metered, MeterEvent, MeterTotal
from handlers.core.history.records import Which
from handlers.ipop import downloads
from handlers.ipop.moments import read_moment, usd, write_moment
from handlers.wire.reply import ByteStream, Reply


async def meter_events_list(params: MeterEventsListParams, call: Call) -> dict[str, Any]:
    page = await meters.list_meter_events(_metered(params, call), call, limit=params.limit, cursor=params.cursor)
    content = {**_summary(page.totals), "records": [_render(event) for event in page.events]}
    return content | ({} if page.next_cursor is None else {"next_cursor": page.next_cursor})


async def meter_events_export(params: MeterEventsExportParams, call: Call) -> Reply | ByteStream:
    """Everything, or the page that was asked for."""
    metered = _metered(params, call)
    if params.limit is not None or params.cursor is not None:
        limit = params.limit or meters.MOST_READ
        page = await meters.list_meter_events(metered, call, limit=limit, cursor=params.cursor)
        return Reply({**_summary(page.totals), "records": [_render(event) for event in page.events]})
    totals: dict[tuple[str, str], MeterTotal] = {}
    pages = _rendered(meters.walk_meter_events(metered, call), totals)
    return downloads.summary(pages, lambda: _summary(totals.values()), "meter-events.json")


def _metered(params: MeterEventsListParams | MeterEventsExportParams, call: Call) -> Metered:
    which = Which(
        project_id=call.caller.project_id,
        since=read_moment(params.created_at_from, "created_at_from"),
        until=read_moment(params.created_at_to, "created_at_to"),
    )
    return meters.choose(which, params.service, params.meter, params.search)


async def _rendered(
    pages: AsyncIterator[list[MeterEvent]], totals: dict[tuple[str, str], MeterTotal]
) -> AsyncIterator[list[dict[str, Any]]]:
    async for page in pages:
        for event in page:
            totals.setdefault((event.service, event.meter), MeterTotal(event.service, event.meter)).add(event)
        yield [_render(event) for event in page]


def _render(event: MeterEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "service": event.service,
        "meter": event.meter,
        "quantity": event.quantity,
        "free_quantity": event.free_quantity,
        "billable_quantity": event.quantity - event.free_quantity,
        "cost_usd": usd(event.cost_micros),
        "created_at": write_moment(event.record.started_at),
    }


def _summary(totals: Iterable[MeterTotal]) -> dict[str, Any]:
    rows = list(totals)
    quantity, free = sum(row.quantity for row in rows), sum(row.free_quantity for row in rows)
    return {
        "object": "meter_events.summary",
        "total_events": sum(row.events for row in rows),
        "total_quantity": quantity,
        "total_free_quantity": free,
        "total_billable_quantity": quantity - free,
        "total_cost_usd": usd(sum(row.cost_micros for row in rows)),
        "meters": [_render_total(row) for row in rows],
    }


def _render_total(total: MeterTotal) -> dict[str, Any]:
    return {
        "service": total.service,
        "meter": total.meter,
        "event_count": total.events,
        "quantity": total.quantity,
        "free_quantity": total.free_quantity,
        "billable_quantity": total.quantity - total.free_quantity,
        "cost_usd": usd(total.cost_micros),
    }
