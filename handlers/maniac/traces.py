from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen.generated.maniac.routes import TracesListParams, TracesRetrieveParams
from handlers.core import traces
from handlers.core.call import Call
from handlers.core.traces import TracedRequest, TraceSummary
from handlers.maniac.times import iso

_STATUSES = {"completed": "success", "failed": "error", "interrupted": "error", "started": "running"}


async def traces_list(params: TracesListParams, call: Call) -> dict[str, Any]:
    page, total = await traces.list_traces(call, limit=params.limit, offset=params.offset)
    return {"object": "list", "data": [_render_summary(summary) for summary in page], "total": total}


async def traces_retrieve(params: TracesRetrieveParams, call: Call) -> dict[str, Any]:
    requests = await traces.get_trace(params.id, call)
    return {
        "id": params.id,
        "name": _latest(requests, "name"),
        "source": _latest(requests, "source"),
        "trace_context": requests[-1].entry.context,
        "first_seen": iso(requests[0].entry.at),
        "last_seen": iso(requests[-1].entry.at),
        "request_count": len(requests),
        "container_count": _containers(requests),
        "error_count": sum(_STATUSES[request.state] == "error" for request in requests),
        "spans": [_render_span(attempts) for attempts in _spans(requests)],
    }


def _render_summary(summary: TraceSummary) -> dict[str, Any]:
    """`spend` is whole, so in millionths of a USD."""
    return {
        "id": summary.trace_id,
        "name": summary.name,
        "source": summary.source,
        "first_seen": iso(summary.first_seen),
        "last_seen": iso(summary.last_seen),
        "request_count": summary.requests,
        "container_count": summary.containers,
        "spend": summary.cost_micros,
        "success_count": summary.successes,
        "error_count": summary.errors,
    }


def _spans(requests: Sequence[TracedRequest]) -> list[list[TracedRequest]]:
    """The attempts at each span, in the order in which spans began; requests that name none are one group."""
    spans: dict[str | None, list[TracedRequest]] = {}
    for request in requests:
        spans.setdefault(request.entry.span_id, []).append(request)
    return list(spans.values())


def _render_span(attempts: Sequence[TracedRequest]) -> dict[str, Any]:
    latest = attempts[-1]
    return {
        "span_id": latest.entry.span_id,
        "parent_span_id": _latest(attempts, "parent_span_id"),
        "first_seen": iso(attempts[0].entry.at),
        "last_seen": iso(latest.entry.at),
        "attempt_count": len(attempts),
        "inference_log_ids": [attempt.entry.request_id for attempt in attempts],
        "latest_inference_log_id": latest.entry.request_id,
        "latest_status": _STATUSES[latest.state],
        "container_count": _containers(attempts),
    }


def _latest(requests: Sequence[TracedRequest], name: str) -> str | None:
    """What the last request that tells it says."""
    told = (getattr(request.entry, name) for request in reversed(requests))
    return next((value for value in told if value is not None), None)


def _containers(requests: Sequence[TracedRequest]) -> int:
    return len({request.entry.container_id for request in requests} - {None})
