"""What the operator sees of all projects' requests. What was said in them is not here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
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
from handlers.core.history.feedback import Opinion
from handlers.core.history.records import Which
from handlers.ipop import downloads
from handlers.ipop.moments import read_moment, write_moment
from handlers.wire.reply import ByteStream

PAGE = 100
CAPTURED_MESSAGES = PROJECT_OVERRIDES = 0
"""This server keeps no messages, and so no policy of which."""
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
    return downloads.lines(_lines(which, params, call), "inference.ndjson")


async def admin_inference_stats_get(params: AdminInferenceStatsGetParams, call: Call) -> dict[str, Any]:
    counted = await stats.count_events(params.window_hours, call)
    return {
        "window_hours": params.window_hours,
        "total_events": counted.by_kind.total(),
        "captured_messages": CAPTURED_MESSAGES,
        "feedback_records": counted.opinions,
        "events_by_kind": [{"kind": kind, "count": count} for kind, count in counted.by_kind.most_common()],
        "events_per_hour": [{"hour_unix": hour, "count": count} for hour, count in counted.by_hour.items()],
        "top_error_classes": [{"error_class": name, "count": count} for name, count in counted.errors],
        "project_overrides": PROJECT_OVERRIDES,
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


async def _lines(which: Which, params: AdminInferenceExportParams, call: Call) -> AsyncIterator[list[dict[str, Any]]]:
    if params.include_events:
        async for events in event_log.walk_events(which, call):
            yield [{"type": "inference_event", **render(event)} for event in events]
