"""Requests as spans. Nothing is written for them: all of it is read from the ledger.

A request is a span of the trace that its client named, below the client's span, or else a trace of its own. Its ids
come from its request id (`req_` and 24 hexadecimal digits), and lead back to it. Requests about telemetry leave no
spans, or looking would add to what is seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
    tuple_,
)

from storage.repositories.telemetry.attributes import Condition, column_holds
from storage.tables.chats import TraceEntryRow
from storage.tables.telemetry import TelemetryTraceRow
from storage.tables.traffic import RequestRow
from storage.tables.types import core

ENTRIES = core(TraceEntryRow)
REQUESTS = core(RequestRow)
LOGGED = core(TelemetryTraceRow)

PREFIX = "req_"
TRACE_ID = re.compile(r"0{8}([0-9a-f]{24})\Z")
SPAN_ID = re.compile(r"[0-9a-f]{16}\Z")
ABOUT_TELEMETRY = (
    "app_telemetry_envelopes_create",
    "app_telemetry_plans_list",
    "app_telemetry_source_maps_update",
    "app_telemetry_usage_get",
    "telemetry_events_log",
    "spans_get",
    "spans_tree_get",
    "traces_get",
    "spans_query",
    "traces_query",
    "spans_export",
    "metrics_query",
)
STATUS = {"completed": "ok", "failed": "error", "interrupted": "error"}

C = REQUESTS.c
KINDS: dict[str, type] = {
    "request_id": str,
    "api": str,
    "operation": str,
    "state": str,
    "http_status": int,
    "error_code": str,
    "streamed": bool,
    "model": str,
    "provider": str,
    "upstream_model": str,
    "prompt_tokens": int,
    "completion_tokens": int,
    "total_tokens": int,
    "cached_tokens": int,
    "reasoning_tokens": int,
    "cost_micros": int,
    "first_byte_us": int,
    "finish_reason": str,
}
"""The attributes of a request's span; what the ledger does not know is left out."""


@dataclass(frozen=True, slots=True)
class Span:
    """`status` is `ok`, `error`, or None while it is not known."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime | None
    status: str | None
    attributes: dict[str, Any]


def trace_id_of(request_id: str) -> str:
    """The 32 digits of the trace that a request is by itself."""
    return request_id.removeprefix(PREFIX).rjust(32, "0")


def span_id_of(request_id: str) -> str:
    """16 digits."""
    return request_id.removeprefix(PREFIX)[:16]


def request_id_in(trace_id: str) -> str | None:
    """Of the request that may be that trace by itself."""
    found = TRACE_ID.match(trace_id)
    return PREFIX + found[1] if found else None


def column_of(name: str, table: FromClause = REQUESTS) -> ColumnElement[Any]:
    """The column of `requests`, or of an alias, that an attribute is."""
    if name == "total_tokens":
        return table.c.prompt_tokens + table.c.completion_tokens
    return table.c["operation_id" if name == "operation" else name]


def seen(project_id: str) -> Select[Any]:
    """Every request of the project that is a span, for `span_of`."""
    shown = [column_of(name).label(name) for name in KINDS]
    query = select(*shown, C.started_at, C.duration_us, ENTRIES.c.trace_id, ENTRIES.c.span_id.label("parent"))
    return _of(query, project_id)


def heads(project_id: str, now: datetime) -> Select[Any]:
    """The ids of the first requests of each trace that requests make, but for those that were also logged. The entry's
    `trace_id` is NULL for a request by itself."""
    earlier = ENTRIES.alias()
    place = tuple_(ENTRIES.c.at, ENTRIES.c.request_id)
    is_later = _exists(
        earlier.c.project_id == project_id,
        earlier.c.trace_id == ENTRIES.c.trace_id,
        tuple_(earlier.c.at, earlier.c.request_id) < place,
    )
    is_logged = _exists(
        LOGGED.c.project_id == project_id, LOGGED.c.trace_id == ENTRIES.c.trace_id, LOGGED.c.expires_at > now
    )
    query = _of(select(C.request_id), project_id)
    return query.where(or_(ENTRIES.c.trace_id.is_(None), and_(~is_later, ~is_logged)))


def named(project_id: str, trace_ids: Sequence[str]) -> ColumnElement[bool]:
    """Which requests name one of the traces."""
    return and_(ENTRIES.c.project_id == project_id, ENTRIES.c.trace_id.in_(trace_ids))


def by_itself(span_id: str) -> ColumnElement[bool] | None:
    """Which request has that span id; None when none can."""
    if not SPAN_ID.match(span_id):
        return None
    return and_(C.request_id > PREFIX + span_id, C.request_id < PREFIX + span_id + "g")


def holds(conditions: Sequence[Condition], table: FromClause = REQUESTS) -> ColumnElement[bool] | None:
    """What a request must be to meet all conditions; None when none can."""
    clauses = []
    for condition in conditions:
        kind = KINDS.get(condition.key)
        if kind is not None:
            clauses.append(column_holds(column_of(condition.key, table), kind, condition))
        elif condition.value is not None or condition.op != "eq":
            return None
    return and_(true(), *clauses)


def entries_holding(project_id: str, conditions: Sequence[Condition]) -> Select[Any] | None:
    """The trace ids of requests that name a trace and meet all conditions; None when none can."""
    met = holds(conditions)
    if met is None:
        return None
    joined = select(ENTRIES.c.trace_id).join(REQUESTS, C.request_id == ENTRIES.c.request_id)
    return joined.where(ENTRIES.c.project_id == project_id, C.operation_id.not_in(ABOUT_TELEMETRY), met)


def any_in(trace: FromClause, conditions: Sequence[Condition]) -> ColumnElement[bool]:
    """Whether a request that names the trace (a row with `project_id` and `trace_id`) meets all conditions."""
    entry, request = ENTRIES.alias(), REQUESTS.alias()
    met = holds(conditions, request)
    if met is None:
        return false()
    return _exists(
        entry.c.project_id == trace.c.project_id,
        entry.c.trace_id == trace.c.trace_id,
        entry.c.request_id == request.c.request_id,
        request.c.operation_id.not_in(ABOUT_TELEMETRY),
        met,
    )


def span_of(row: Any) -> Span:
    """From a row of `seen`."""
    fields = row._asdict()
    attributes = {name: fields[name] for name in KINDS if fields[name] is not None}
    return Span(
        trace_id=row.trace_id or trace_id_of(row.request_id),
        span_id=span_id_of(row.request_id),
        parent_span_id=row.parent,
        name=row.operation,
        started_at=row.started_at,
        ended_at=end_of(row.started_at, row.duration_us),
        status=STATUS.get(row.state),
        attributes=attributes,
    )


def end_of(started_at: datetime, duration_us: int | None) -> datetime | None:
    return None if duration_us is None else started_at + timedelta(microseconds=duration_us)


def seconds_of(dialect: str) -> ColumnElement[int]:
    """When a request began, in whole seconds since 1970."""
    if dialect == "sqlite":
        return cast(func.strftime("%s", C.started_at), BigInteger)
    return cast(func.floor(func.extract("epoch", C.started_at)), BigInteger)


def _of(query: Select[Any], project_id: str) -> Select[Any]:
    joined = query.select_from(REQUESTS.outerjoin(ENTRIES, ENTRIES.c.request_id == C.request_id))
    return joined.where(C.project_id == project_id, C.operation_id.not_in(ABOUT_TELEMETRY))


def _exists(*clauses: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(*clauses)
