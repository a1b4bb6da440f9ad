"""What the operator sees of all projects' requests: events, counts and opinions. What was said in them is told by
`inference_messages`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from codegen.generated.ipop.routes import (
    AdminInferenceEventsCreateBody,
    AdminInferenceExportParams,
    AdminInferenceFeedbackGetParams,
    AdminInferenceStatsGetParams,
    AdminInferenceTimelineGetParams,
)
from handlers.core.call import Call
from handlers.core.history import event_log, feedback, records, stats
from handlers.core.history.events import SYSTEM, Event, events_of
from handlers.core.history.exports import Told, Wanted, walk_told
from handlers.core.history.feedback import Opinion
from handlers.core.history.records import Which
from handlers.ipop import downloads, inference_messages
from handlers.ipop.moments import read_moment, write_moment
from handlers.wire.reply import ByteStream

PAGE = 100
FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})


async def admin_inference_events_create(body: AdminInferenceEventsCreateBody, call: Call) -> dict[str, Any]:
    """The newest request first. The window is that of the requests' beginnings."""
    wanted: Mapping[str, Any] = body.data or {}
    which = Which(
        project_id=wanted.get("project_id"),
        request_id=wanted.get("request_id"),
        model=wanted.get("model"),
        key_id=wanted.get("user_id"),
        since=read_moment(wanted.get("occurred_at_from"), "occurred_at_from"),
        until=read_moment(wanted.get("occurred_at_to"), "occurred_at_to"),
    )
    page = await event_log.list_events(
        which, wanted.get("kinds") or None, (wanted.get("limit") or PAGE, wanted.get("cursor")), call
    )
    return {"events": [render(event) for event in page.events], "next_cursor": page.next_cursor}


async def admin_inference_export(params: AdminInferenceExportParams, call: Call) -> ByteStream:
    which = Which(
        project_id=params.project_id,
        model=params.model,
        since=read_moment(params.occurred_at_from, "occurred_at_from"),
        until=read_moment(params.occurred_at_to, "occurred_at_to"),
    )
    wanted = Wanted(events=params.include_events, messages=params.include_messages)
    return downloads.lines(_lines(walk_told(which, wanted, call), call), "inference.ndjson")


async def admin_inference_stats_get(params: AdminInferenceStatsGetParams, call: Call) -> dict[str, Any]:
    counted = await stats.count_events(params.window_hours, call)
    return {
        "window_hours": params.window_hours,
        "total_events": counted.by_kind.total(),
        "captured_messages": counted.messages,
        "feedback_records": counted.opinions,
        "events_by_kind": [{"kind": kind, "count": count} for kind, count in counted.by_kind.most_common()],
        "events_per_hour": [{"hour_unix": hour, "count": count} for hour, count in counted.by_hour.items()],
        "top_error_classes": [{"error_class": name, "count": count} for name, count in counted.errors],
        "project_overrides": counted.policies,
    }


async def admin_inference_feedback_get(params: AdminInferenceFeedbackGetParams, call: Call) -> dict[str, Any]:
    opinions = await feedback.list_feedback(params.request_id, call)
    return {"request_id": params.request_id, "feedback": [_render_opinion(opinion) for opinion in opinions]}


async def admin_inference_timeline_get(params: AdminInferenceTimelineGetParams, call: Call) -> dict[str, Any]:
    record = await records.get_record(params.request_id, call)
    return {"request_id": record.request_id, "events": [render(event) for event in events_of(record)]}


def render(event: Event) -> dict[str, Any]:
    record = event.record
    attrs = dict(event.attrs)
    if attrs.get("finish_reason") not in FINISH_REASONS:
        attrs.pop("finish_reason", None)
    return {
        "id": str(event.id),
        "request_id": record.request_id,
        "event_seq": event.sequence,
        "kind": event.kind,
        "occurred_at": write_moment(event.at),
        "actor_type": event.actor,
        "actor_id": event.actor_id,
        "user_id": record.key_id or SYSTEM,
        "project_id": record.project_id,
        "model": record.model or record.requested_model,
        "attrs": attrs,
    }


def _render_opinion(opinion: Opinion) -> dict[str, Any]:
    return {
        "request_id": opinion.request_id,
        "user_id": opinion.key_id or SYSTEM,
        "project_id": opinion.project_id,
        "model": opinion.model,
        "rating": opinion.rating,
        "outcome": opinion.outcome,
        "task_type": opinion.task_type,
        "notes": opinion.notes,
        "created_at_unix": int(opinion.created_at.timestamp()),
    }


async def _lines(pages: AsyncIterator[list[Told]], call: Call) -> AsyncIterator[list[dict[str, Any]]]:
    """Of each request its last event first, then its messages in their order."""
    async for page in pages:
        yield [line for told in page for line in _lines_of(told, call)]


def _lines_of(told: Told, call: Call) -> Iterator[dict[str, Any]]:
    for event in reversed(told.events):
        yield {"type": "inference_event", **render(event)}
    for message in told.messages:
        yield {"type": "inference_message", **inference_messages.render(message, told.record, call)}
