"""How the deprecated Llama Stack says what went wrong: flat `{"status", "title", "detail"}`.

CoreError                 status  title
├── Invalid               400     Bad Request; `detail` names every fault
├── Unauthenticated       401     Unauthorized
├── PaymentRequired       402     Payment Required
├── Forbidden             403     Forbidden
├── NotFound              404     Not Found
├── MethodNotAllowed      405     Method Not Allowed
├── TimedOut              408     Request Timeout
├── Conflict              409     Conflict
├── TooLarge              413     Request Entity Too Large
├── UnsupportedMedia      415     Unsupported Media Type
├── RangeNotSatisfiable   416     Requested Range Not Satisfiable
├── RateLimited           429     Too Many Requests
├── (internal)            500     Internal Server Error
├── NotImplementedYet     501     Not Implemented
├── UpstreamFailed        502     Bad Gateway
└── Unavailable           503     Service Unavailable

Source: llama-stack-deprecated.yaml: Error.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from handlers.core.errors import CoreError
from handlers.wire import fault, sse


def render(error: CoreError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    detail = fault.describe_faults(error) if error.errors else fault.safe_message(error, request_id)
    content = {"status": error.status, "title": HTTPStatus(error.status).phrase, "detail": detail}
    return error.status, error.headers, content


def stream_error(error: CoreError, request_id: str) -> bytes:
    """Readers of both kinds of stream look for `error.message`, so the flat error stands inside `error`."""
    content = render(error, request_id)[2]
    return sse.event({"error": {**content, "message": content["detail"], "code": error.code}})
