from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from codegen.generated.ipop.routes import AdminInferenceMessagesListParams, AdminInferenceSearchBody
from handlers.core.call import Call
from handlers.core.capture.search import Captured, CapturedMessage, Found, Search, read_captured, search
from handlers.core.errors import Invalid

_PAGE = 50
_DETAILS = ("content_parts", "tool_calls", "tool_call_id", "tools", "response_format")


async def admin_inference_messages_list(params: AdminInferenceMessagesListParams, call: Call) -> dict[str, Any]:
    """Whole payloads are not kept: messages are what is made safe to keep."""
    captured = await read_captured(params.request_id, call)
    return {
        "request_id": captured.record.request_id,
        "messages": [_render(message, captured, call) for message in captured.messages],
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
        since=_moment(data, "occurred_at_from"),
        before=_moment(data, "occurred_at_to"),
    )
    found, cursor = await search(data["q"], wanted, data.get("limit") or _PAGE, data.get("cursor"), call)
    return {"hits": [_hit(one) for one in found], "next_cursor": cursor}


def _moment(data: dict[str, Any], name: str) -> datetime | None:
    text = data.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} must be a date and time", param=name) from None


def _render(message: CapturedMessage, captured: Captured, call: Call) -> dict[str, Any]:
    record, details = captured.record, message.details or {}
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
        "created_at": _text(message.at),
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
        "occurred_at": _text(message.at),
        "score": found.score,
        "snippet": found.snippet,
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
