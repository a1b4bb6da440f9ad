from __future__ import annotations

from typing import Any

from handlers.core.call import Call
from handlers.ipop.moments import write_moment

_AS_THEY_ARE = (
    "stream_id", "instance_id", "request_id", "project_id", "model", "provider", "last_event_kind", "event_count",
    "bytes_sent", "content_delta_count", "tool_delta_count", "replayed", "cancel_on_disconnect", "fallback_count",
)  # fmt: skip


async def admin_inference_streams_list(call: Call) -> dict[str, Any]:
    """Of all processes on this database; the limit is that of all together."""
    streams = call.services.streams
    survey = await streams.survey()
    limit, active = survey.limit * survey.processes, len(survey.streams)
    return {
        "object": "admin.inference_streams",
        "generated_at": write_moment(call.services.clock()),
        "instance_id": streams.process_id,
        "replica_count": survey.processes,
        "stream_limit": limit,
        "stream_active": active,
        "stream_available": max(0, limit - active),
        "streams": [_render(stream) for stream in survey.streams],
    }


def _render(stream: dict[str, Any]) -> dict[str, Any]:
    """Whoever calls is known by the key."""
    return {name: stream[name] for name in _AS_THEY_ARE} | {
        "api_surface": "responses" if "responses" in stream["operation_id"] else "chat_completions",
        "current_request_id": stream["request_id"],
        "user_id": stream["key_id"] or "anonymous",
        "selected_model": stream["upstream_model"] or stream["model"],
        "started_at": write_moment(stream["started_at"]),
        "last_event_at": write_moment(stream["last_event_at"]),
        "status": "streaming" if stream["event_count"] else "opening",
    }
