"""The only errors that a provider raises.

ProviderError
├── Unavailable      cannot be reached, broke the connection, or answered 5xx
│   ├── TimedOut     connect, first-byte or idle timeout
│   └── Saturated    our own cap and queue for this deployment are full
├── Throttled        429, with the seconds to wait where the vendor names them
├── Refused          the vendor refused this request (400, 404, 413, 422)
├── Unauthorized     the vendor refused our key (401, 403), or payment is due (402)
├── BrokenAnswer     the vendor's answer is not what its API promises
└── Unreadable       a document whose text cannot be had
"""

from __future__ import annotations


class ProviderError(Exception):
    """`message` is safe to show to a caller; `status` is the vendor's HTTP status, or None when there was none."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Unavailable(ProviderError):
    pass


class TimedOut(Unavailable):
    pass


class Saturated(Unavailable):
    pass


class Throttled(ProviderError):
    def __init__(self, message: str, *, status: int | None = 429, retry_after_seconds: int | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after_seconds = retry_after_seconds


class Refused(ProviderError):
    """`param` is the offending parameter and `code` the vendor's word for the fault, where it names them."""

    def __init__(
        self, message: str, *, status: int | None = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message, status=status)
        self.param = param
        self.code = code


class Unauthorized(ProviderError):
    pass


class BrokenAnswer(ProviderError):
    pass


class Unreadable(ProviderError):
    """`code` is one of `unsupported_file`, `encrypted`, `corrupt`, `too_large`, `timed_out`, `empty`; the message
    says why in a sentence without its first capital and its full stop."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
