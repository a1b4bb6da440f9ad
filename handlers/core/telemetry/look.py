from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from storage.repositories.telemetry import Condition, LoggedTrace, Span, TracePage
from storage.tables.types import instant

__all__ = ["Condition", "LoggedTrace", "Span", "TracePage"]

MOST_SPANS = 10_000
MOST_TRACES = 1_000
FARTHEST = 100_000
"""Pages end here: what is further behind is found by conditions."""


@dataclass(frozen=True, slots=True)
class Query:
    """`attributes` are those to return, None for all; spans that lack one are left out. `max_depth` 1 is roots."""

    conditions: Sequence[Condition] = ()
    attributes: Sequence[str] | None = None
    max_depth: int | None = None


async def get_trace(trace_id: str, call: Call) -> LoggedTrace:
    """Raises `NotFound`."""
    telemetry, project_id = call.services.telemetry, call.caller.project_id
    found = await telemetry.traces.get(project_id, trace_id, instant(call.services.clock()))
    if found is None:
        raise NotFound(f"there is no trace {trace_id}", code="trace_not_found")
    return found


async def get_span(trace_id: str, span_id: str, call: Call) -> Span:
    """Raises `NotFound`."""
    telemetry, project_id = call.services.telemetry, call.caller.project_id
    found = await telemetry.spans.get(project_id, trace_id, span_id, instant(call.services.clock()))
    if found is None:
        raise NotFound(f"there is no span {span_id} in a trace {trace_id}", code="span_not_found")
    return found


async def list_traces(page: TracePage, call: Call) -> Sequence[LoggedTrace]:
    """Raises `Invalid`."""
    if not 0 <= page.limit <= MOST_TRACES:
        raise Invalid(f"limit must be from 0 to {MOST_TRACES}", param="limit")
    if not 0 <= page.offset <= FARTHEST:
        raise Invalid(f"offset must be from 0 to {FARTHEST}", param="offset")
    telemetry, project_id = call.services.telemetry, call.caller.project_id
    return await telemetry.traces.list(project_id, page, instant(call.services.clock()))


async def span_tree(span_id: str, query: Query, call: Call) -> Sequence[Span]:
    """The span and those below it, the oldest first. Raises `NotFound`, and `Invalid` for a trace of too many spans."""
    telemetry, project_id = call.services.telemetry, call.caller.project_id
    top = await telemetry.spans.find(project_id, span_id, instant(call.services.clock()))
    if top is None:
        raise NotFound(f"there is no span {span_id}", code="span_not_found")
    depths = _depths(await _spans_of([top.trace_id], call), {top.span_id})
    return [_pick(span, query) for span, depth in depths if _is_within(depth, query)]


async def query_spans(query: Query, call: Call) -> Sequence[Span]:
    """The spans of the traces in which a span meets all conditions, trace by trace.

    Raises `Invalid` where they would be more than `MOST_SPANS`."""
    page = TracePage(query.conditions, limit=MOST_TRACES + 1)
    telemetry, project_id = call.services.telemetry, call.caller.project_id
    traces = await telemetry.traces.list(project_id, page, instant(call.services.clock()))
    if len(traces) > MOST_TRACES:
        raise _too_many(f"more than {MOST_TRACES} traces")
    by_trace: dict[str, list[Span]] = {trace.trace_id: [] for trace in traces}
    for span in await _spans_of(list(by_trace), call):
        by_trace[span.trace_id].append(span)
    wanted = frozenset(query.attributes or ())
    return [
        _pick(span, query)
        for spans in by_trace.values()
        for span, depth in _depths(spans, _tops(spans))
        if _is_within(depth, query) and wanted <= span.attributes.keys()
    ]


async def _spans_of(trace_ids: Sequence[str], call: Call) -> Sequence[Span]:
    telemetry, now = call.services.telemetry, instant(call.services.clock())
    spans = await telemetry.spans.of_traces(call.caller.project_id, trace_ids, now, MOST_SPANS + 1)
    if len(spans) > MOST_SPANS:
        raise _too_many(f"more than {MOST_SPANS} spans")
    return spans


def _too_many(what: str) -> Invalid:
    return Invalid(f"this would answer {what}: narrow it", code="too_many_spans", param="attribute_filters")


def _tops(spans: Iterable[Span]) -> set[str]:
    """Those whose parent is not among them."""
    known = {span.span_id for span in spans}
    return {span.span_id for span in spans if span.parent_span_id not in known}


def _depths(spans: Sequence[Span], tops: set[str]) -> list[tuple[Span, int]]:
    """The spans at `tops` (depth 1) and below, in the order given. Spans that are their own ancestors are met once."""
    children: dict[str | None, list[str]] = {}
    for span in spans:
        children.setdefault(span.parent_span_id, []).append(span.span_id)
    depth_of: dict[str, int] = {}
    level, depth = list(tops), 1
    while level:
        depth_of.update((span_id, depth) for span_id in level)
        below = [child for span_id in level for child in children.get(span_id, ())]
        level, depth = [span_id for span_id in below if span_id not in depth_of], depth + 1
    return [(span, depth_of[span.span_id]) for span in spans if span.span_id in depth_of]


def _is_within(depth: int, query: Query) -> bool:
    """The top is always shown."""
    return depth == 1 or query.max_depth is None or depth <= query.max_depth


def _pick(span: Span, query: Query) -> Span:
    if not query.attributes:
        return span
    picked: Mapping[str, object] = {name: span.attributes[name] for name in query.attributes if name in span.attributes}
    return replace(span, attributes=dict(picked))
