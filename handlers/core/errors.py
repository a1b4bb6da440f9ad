"""What can go wrong, in the product's own words; each API's `errors.py` says it in its shape.

CoreError                 status
├── Invalid               400   the request contradicts the document or itself
├── Unauthenticated       401   no key, or one that is not valid
├── PaymentRequired       402   prepaid credits are used up
├── Forbidden             403   the key may not do this
├── NotFound              404
├── MethodNotAllowed      405   `headers` carries Allow
├── TimedOut              408   the body did not arrive
├── Conflict              409   retrying the same request is in vain
├── TooLarge              413
├── UnsupportedMedia      415
├── RangeNotSatisfiable   416   `headers` carries Content-Range
├── RateLimited           429   with the seconds to wait
├── NotImplementedYet     501   the operation has no handler
├── UpstreamFailed        502   a vendor failed us in a way that retrying may mend
└── Unavailable           503   nothing can answer now, or our own storage is away
"""

from __future__ import annotations

from collections.abc import Mapping


class CoreError(Exception):
    """`message` is for the caller, `code` a precise name (`model_not_found`), `param` the offending field.

    `errors` lists single faults as `{"loc": [...], "msg": ...}` where validation found several.
    """

    status = 500
    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        errors: list[dict[str, object]] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param
        self.headers = dict(headers or {})
        self.errors = errors or []

    @property
    def retryable(self) -> bool:
        return self.status in (408, 429, 502, 503)


class Invalid(CoreError):
    status, code = 400, "invalid_request"


class Unauthenticated(CoreError):
    status, code = 401, "unauthorized"


class PaymentRequired(CoreError):
    status, code = 402, "payment_required"


class Forbidden(CoreError):
    status, code = 403, "forbidden"


class NotFound(CoreError):
    status, code = 404, "not_found"


class MethodNotAllowed(CoreError):
    status, code = 405, "method_not_allowed"


class TimedOut(CoreError):
    status, code = 408, "request_timeout"


class Conflict(CoreError):
    status, code = 409, "conflict"


class TooLarge(CoreError):
    status, code = 413, "too_large"


class UnsupportedMedia(CoreError):
    status, code = 415, "unsupported_media_type"


class RangeNotSatisfiable(CoreError):
    status, code = 416, "range_not_satisfiable"


class RateLimited(CoreError):
    """`retry_after_seconds` also goes into the `Retry-After` header, as whole seconds."""

    status, code = 429, "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_seconds: int = 1, **details: object) -> None:
        super().__init__(message, **details)  # type: ignore[arg-type]
        self.retry_after_seconds = max(1, retry_after_seconds)
        self.headers["Retry-After"] = str(self.retry_after_seconds)


class NotImplementedYet(CoreError):
    status, code = 501, "not_implemented"


class UpstreamFailed(CoreError):
    status, code = 502, "upstream_failed"


class Unavailable(CoreError):
    status, code = 503, "service_unavailable"
