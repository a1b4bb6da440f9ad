"""What went wrong, as S3's clients read it.

What is S3's own keeps its code; of the rest

Invalid              400  InvalidRequest
Unauthenticated      401  AccessDenied
PaymentRequired      402  QuotaExceeded
Forbidden            403  AccessDenied
NotFound             404  NoSuchKey
MethodNotAllowed     405  MethodNotAllowed
TimedOut             408  RequestTimeout
TooLarge             413  EntityTooLarge
RateLimited          429  SlowDown
NotImplementedYet    501  NotImplemented
Unavailable          503  ServiceUnavailable
(other)              500  InternalError
"""

from __future__ import annotations

from handlers.core.errors import CoreError
from handlers.core.s3.faults import S3Fault
from handlers.wire import fault
from handlers.wire.s3 import xml

_CODES = {
    400: "InvalidRequest",
    401: "AccessDenied",
    402: "QuotaExceeded",
    403: "AccessDenied",
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "OperationAborted",
    413: "EntityTooLarge",
    415: "InvalidRequest",
    429: "SlowDown",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}


def render(error: CoreError, request_id: str, path: str) -> tuple[int, dict[str, str], bytes, str]:
    """Status, headers, body and media type."""
    code = error.code if isinstance(error, S3Fault) else _CODES.get(error.status, "InternalError")
    fields: list[xml.Field] = [
        ("Code", code),
        ("Message", fault.safe_message(error, request_id)),
        ("Resource", path),
        ("RequestId", request_id),
    ]
    headers = {**error.headers, "x-amz-request-id": request_id}
    return error.status, headers, xml.write("Error", fields, namespace=None), xml.MEDIA_TYPE
