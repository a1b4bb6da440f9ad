"""How Maniac says what went wrong: `{"error": {"code", "message", "details"}}` for every status.

CoreError                 status  code (a more precise one where the error has it, always in capitals)
├── Invalid               400     INVALID_REQUEST
├── Unauthenticated       401     UNAUTHORIZED
├── PaymentRequired       402     PAYMENT_REQUIRED
├── Forbidden             403     FORBIDDEN
├── NotFound              404     NOT_FOUND
├── MethodNotAllowed      405     METHOD_NOT_ALLOWED
├── TimedOut              408     REQUEST_TIMEOUT
├── Conflict              409     CONFLICT
├── TooLarge              413     TOO_LARGE
├── UnsupportedMedia      415     UNSUPPORTED_MEDIA_TYPE
├── RangeNotSatisfiable   416     RANGE_NOT_SATISFIABLE
├── RateLimited           429     RATE_LIMIT_EXCEEDED, `details.retry_after`
├── (internal)            500     INTERNAL_ERROR
├── NotImplementedYet     501     NOT_IMPLEMENTED
├── UpstreamFailed        502     UPSTREAM_FAILED
└── Unavailable           503     SERVICE_UNAVAILABLE

Source: maniac.json: ErrorResponse.
"""

from __future__ import annotations

from typing import Any

from handlers.core.errors import CoreError, RateLimited
from handlers.wire import fault, sse


def render(error: CoreError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers, body. `details` holds `request_id`, and `param`, `errors`, `retry_after` where there are any."""
    details: dict[str, Any] = {"request_id": request_id}
    if error.param is not None:
        details["param"] = error.param
    if error.errors:
        details["errors"] = error.errors
    if isinstance(error, RateLimited):
        details["retry_after"] = error.retry_after_seconds
    content = {"code": error.code.upper(), "message": fault.safe_message(error, request_id), "details": details}
    return error.status, error.headers, {"error": content}


def stream_error(error: CoreError, request_id: str) -> bytes:
    """The error body as the last event; no `[DONE]` follows, so nobody takes the stream for whole."""
    return sse.event(render(error, request_id)[2])
