from __future__ import annotations

from typing import Any

from codegen.generated.ipop.routes import AdminInferenceMessagesListParams, AdminInferenceSearchBody
from handlers.core.call import Call
from handlers.core.capture.search import CapturedMessage, Found, Search, read_captured, search
from handlers.core.history.records import Record
from handlers.ipop.moments import read_moment, write_moment

_PAGE = 50
_DETAILS = ("content_parts", "tool_calls", "tool_call_id", "tools", "response_format")


async def admin_inference_messages_list(params: AdminInferenceMessagesListParams, call: Call) -> dict[str, Any]:
    """Whole payloads are not kept: messages are what is made safe to keep."""
    captured = await read_captured(params.request_id, call)
    return {
        "request_id": captured.record.request_id,
        "messages": [render(message, captured.record, call) for message in captured.messages],
        "payloads": [],
        "raw_payloads_available": False,
        "capture_mode": captured.policy.mode,
        "redact": captured.policy.redact,
        "retention_days": captured.policy.retention_days,
    }


async def admin_inference_search(body: AdminInferenceSearchBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    wanted = Search(
        phrases=(),
        **{name: data.get(name) for name in ("project_id", "kind", "role", "model")},
        since=read_moment(data.get("occurred_at_from"), "occurred_at_from"),
        before=read_moment(data.get("occurred_at_to"), "occurred_at_to"),
    )
    found, cursor = await search(data["q"], wanted, data.get("limit") or _PAGE, data.get("cursor"), call)
    return {"hits": [_hit(one) for one in found], "next_cursor": cursor}


def render(message: CapturedMessage, record: Record, call: Call) -> dict[str, Any]:
    details = message.details or {}
    path = next(
        (r.path for r in call.services.routes.get(record.api, ()) if r.operation_id == record.operation_id), None
    )
    return {
        "request_id": message.request_id,
        "message_seq": message.message_seq,
        "kind": message.kind,
        "role": message.role,
        "content": message.content,
        "content_truncated": message.is_truncated,
        "created_at": write_moment(message.at.timestamp()),
        "project_id": message.project_id,
        "model": message.model,
        "execution_model_id": record.upstream_model,
        "provider": record.provider,
        "endpoint": path,
        "route_type": record.operation_id,
        "payload_available": False,
        "redaction": message.redaction,
        **{name: details[name] for name in _DETAILS if name in details},
    }


def _hit(found: Found) -> dict[str, Any]:
    message = found.message
    return {
        "request_id": message.request_id,
        "message_seq": message.message_seq,
        "project_id": message.project_id,
        "role": message.role,
        "kind": message.kind,
        "model": message.model,
        "occurred_at": write_moment(message.at.timestamp()),
        "score": found.score,
        "snippet": found.snippet,
    }
