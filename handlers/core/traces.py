"""Traces of clients: requests that belong together, as the clients themselves say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from storage.chat_record import TraceEntry
from storage.ledger_record import Record
from storage.repositories.traces import TracedRequest, TraceSummary
from storage.tables.types import instant

__all__ = ["TraceSummary", "TracedRequest"]

LONGEST_ID = 256


def note_trace(context: dict[str, Any] | None, call: Call) -> None:
    """Has a request's place in its trace written with its record. `context` holds `id`, and may hold `span_id`,
    `parent_span_id`, `name`, `source` and `metadata`. Raises `Invalid`."""
    if context is None:
        return
    if len(context["id"]) > LONGEST_ID:
        raise Invalid(f"trace.id must be at most {LONGEST_ID} characters long", param="trace.id")
    call.record.trace = TraceEntry(
        request_id=call.request_id,
        project_id=call.caller.project_id,
        trace_id=context["id"],
        at=instant(call.record.started_at),
        span_id=context.get("span_id"),
        parent_span_id=context.get("parent_span_id"),
        name=context.get("name"),
        source=context.get("source"),
        container_id=None,
        context=context,
    )


def note_parent(record: Record, trace_id: str, span_id: str) -> None:
    """As `note_trace`, for a request of a project whose headers name the span that it belongs below."""
    if record.project_id is None:
        return
    record.trace = TraceEntry(
        request_id=record.request_id,
        project_id=record.project_id,
        trace_id=trace_id,
        at=instant(record.started_at),
        span_id=span_id,
        parent_span_id=None,
        name=None,
        source=None,
        container_id=None,
        context={"id": trace_id, "span_id": span_id},
    )


async def list_traces(call: Call, *, limit: int, offset: int) -> tuple[Sequence[TraceSummary], int]:
    """A page, those last seen first, and how many there are."""
    traces, project_id = call.services.traces, call.caller.project_id
    return await traces.list(project_id, limit=limit, offset=offset), await traces.count(project_id)


async def get_trace(trace_id: str, call: Call) -> Sequence[TracedRequest]:
    """Its requests, oldest first, at least one. Raises `NotFound`."""
    found: Sequence[TracedRequest] = ()
    if "\0" not in trace_id:
        found = await call.services.traces.requests(call.caller.project_id, trace_id)
    if not found:
        raise NotFound(f"there is no trace {trace_id}", code="trace_not_found")
    return found
