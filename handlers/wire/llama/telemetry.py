"""Telemetry in the words of both Llama Stack documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.core.errors import Invalid
from handlers.core.telemetry import Condition, Event, LoggedTrace, Query, Span, TracePage

ORDERS = {"start_time": False, "-start_time": True}
TRACES_SHOWN = 100


def read_event(data: Mapping[str, Any]) -> Event:
    """A body of `POST /v1/telemetry/events`."""
    event = data["event"]
    content = event["payload"] if event["type"] == "structured_log" else event
    return Event(
        type=content["type"],
        trace_id=event["trace_id"],
        span_id=event["span_id"],
        timestamp=event["timestamp"],
        attributes=event.get("attributes") or {},
        content={name: content[name] for name in _CONTENT if name in content},
        ttl_seconds=int(data["ttl_seconds"]),
    )


def read_conditions(given: Sequence[Mapping[str, Any]] | None) -> tuple[Condition, ...]:
    return tuple(Condition(one["key"], one["op"], one["value"]) for one in given or ())


def read_page(given: Mapping[str, Any]) -> TracePage:
    """The parameters of a list of traces, by their names. Raises `Invalid`."""
    order = given.get("order_by") or ["start_time"]
    if order[0] not in ORDERS or len(order) > 1:
        raise Invalid("traces are ordered by start_time or -start_time", param="order_by")
    limit, offset = given.get("limit"), given.get("offset")
    return TracePage(
        conditions=read_conditions(given.get("attribute_filters")),
        limit=TRACES_SHOWN if limit is None else int(limit),
        offset=0 if offset is None else int(offset),
        newest_first=ORDERS[order[0]],
    )


def read_query(given: Mapping[str, Any]) -> Query:
    """The parameters of a list or a tree of spans, by their names."""
    conditions = read_conditions(given.get("attribute_filters"))
    return Query(conditions, given.get("attributes_to_return"), given.get("max_depth"))


def read_export(data: Mapping[str, Any]) -> Query:
    """A body of `POST /v1/telemetry/spans/export`."""
    return Query(read_conditions(data["attribute_filters"]), data["attributes_to_save"], data.get("max_depth"))


def render_traces(traces: Sequence[LoggedTrace]) -> dict[str, Any]:
    return {"data": [render_trace(trace) for trace in traces]}


def render_trace(trace: LoggedTrace) -> dict[str, Any]:
    shown = {
        "trace_id": trace.trace_id,
        "root_span_id": trace.root_span_id,
        "start_time": trace.started_at.isoformat(),
    }
    return shown if trace.ended_at is None else {**shown, "end_time": trace.ended_at.isoformat()}


def render_spans(spans: Sequence[Span]) -> dict[str, Any]:
    return {"data": [render_span(span) for span in spans]}


def render_tree(spans: Sequence[Span]) -> dict[str, Any]:
    """With their status, where it is known."""
    return {
        "data": {span.span_id: render_span(span) | ({"status": span.status} if span.status else {}) for span in spans}
    }


def render_span(span: Span) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "span_id": span.span_id,
        "trace_id": span.trace_id,
        "name": span.name,
        "start_time": span.started_at.isoformat(),
        "attributes": span.attributes,
    }
    if span.parent_span_id is not None:
        shown["parent_span_id"] = span.parent_span_id
    if span.ended_at is not None:
        shown["end_time"] = span.ended_at.isoformat()
    return shown


_CONTENT = ("name", "parent_span_id", "status", "metric", "value", "unit", "message", "severity")
