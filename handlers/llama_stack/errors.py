"""How Llama Stack (January 2025) says what went wrong. The document is silent; its clients and its server are not.

CoreError                 status  body
├── Invalid               400     {"error": {"detail": {"errors": [{"loc", "msg", "type"}, ...]}}}
└── every other           its own {"detail": message}
    ├── Unauthenticated 401, PaymentRequired 402, Forbidden 403
    ├── NotFound 404, MethodNotAllowed 405, TimedOut 408, Conflict 409, TooLarge 413, UnsupportedMedia 415
    ├── RateLimited 429
    └── (internal) 500, NotImplementedYet 501, UpstreamFailed 502, Unavailable 503
"""

from __future__ import annotations

from typing import Any

from handlers.core.errors import CoreError
from handlers.wire import fault, sse


def render(error: CoreError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    content: dict[str, Any] = {"detail": fault.safe_message(error, request_id)}
    if error.status == 400:
        content = {"error": {"detail": {"errors": _list_faults(error)}}}
    return error.status, error.headers, content


def _list_faults(error: CoreError) -> list[dict[str, object]]:
    if error.errors:
        return [{"type": error.code, **fault} for fault in error.errors]
    location = ["body", error.param] if error.param else ["body"]
    return [{"loc": location, "msg": error.message, "type": error.code}]


def stream_error(error: CoreError, request_id: str) -> bytes:
    return sse.event({"error": {"message": fault.safe_message(error, request_id), "code": error.status}})
