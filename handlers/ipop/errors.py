"""How IPOP says what went wrong: the document's `Error`, whose `code` is one of ten; `error_type` is precise.

CoreError                 status  code                 error_type
├── Invalid               400     bad_request          the error's own code
│   └ context_length_exceeded     context_length_exceeded
├── Unauthenticated       401     unauthorized
├── PaymentRequired       402     payment_required
├── Forbidden             403     policy_violation
│   └ model_not_allowed           model_not_allowed
├── NotFound              404     bad_request          not_found, model_not_found, ...
├── MethodNotAllowed      405     bad_request          method_not_allowed
├── TimedOut              408     bad_request          request_timeout; worth a retry
├── Conflict              409     bad_request          conflict; never worth a retry
├── TooLarge              413     bad_request          too_large
├── UnsupportedMedia      415     bad_request          unsupported_media_type
├── RangeNotSatisfiable   416     bad_request          range_not_satisfiable
├── RateLimited           429     rate_limit_exceeded  with retry_after_seconds
├── (internal)            500     service_unavailable  internal_error
├── NotImplementedYet     501     bad_request          not_implemented
├── UpstreamFailed        502     service_unavailable  upstream_failed
└── Unavailable           503     service_unavailable
    ├ model_unavailable           model_unavailable    no vendor is configured: not worth a retry
    └ capacity_unavailable        capacity_unavailable

Source: ipop.json: Error. `x-should-retry` is what the SDKs obey before they look at the status.
"""

from __future__ import annotations

from typing import Any

from handlers.core.errors import CoreError, RateLimited
from handlers.wire import fault, sse
from handlers.wire.s3 import errors as s3_errors

_CODES = {
    401: "unauthorized",
    402: "payment_required",
    403: "policy_violation",
    429: "rate_limit_exceeded",
    500: "service_unavailable",
    502: "service_unavailable",
    503: "service_unavailable",
}
_PRECISE = frozenset(
    {
        "capacity_unavailable",
        "context_length_exceeded",
        "model_not_allowed",
        "model_unavailable",
        "payment_required",
        "policy_violation",
        "rate_limit_exceeded",
    }
)

SHAPES = {"/storage/s3": s3_errors.render}
"""S3's clients read errors as XML."""


def render(error: CoreError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    retryable = error.retryable and error.code != "model_unavailable"
    message = fault.safe_message(error, request_id)
    if error.errors:
        message = fault.describe_faults(error)
    content: dict[str, Any] = {
        "error": message,
        "code": error.code if error.code in _PRECISE else _CODES.get(error.status, "bad_request"),
        "error_type": error.code,
        "message": message,
        "request_id": request_id,
        "retryable": retryable,
    }
    if error.param is not None:
        content["param"] = error.param
    if isinstance(error, RateLimited):
        content["retry_after_seconds"] = error.retry_after_seconds
    return error.status, {**error.headers, "x-should-retry": str(retryable).lower()}, content


def stream_error(error: CoreError, request_id: str) -> bytes:
    """The document's `Error` as the last event; no `[DONE]` follows, so nobody takes the stream for whole."""
    return sse.event(render(error, request_id)[2])
