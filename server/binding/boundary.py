"""The outermost middleware of an API: whatever goes wrong below is answered in that API's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson
import structlog

from handlers.core.errors import CoreError, Invalid, Unavailable
from server.binding.recorder import Recorder
from server.openapi31.bodies import Disconnected
from server.request import KEY, Request
from storage.errors import RowRefused, StorageError, UnsafeKey

log = structlog.get_logger("concordat.server")


JSON = "application/json"
Shape = Callable[[CoreError, str, str], tuple[int, dict[str, str], bytes, str]]
"""An error, the request's id and path as status, headers, body and media type."""


class Wording(Protocol):
    """An API's `errors.py`. Where paths have another shape than the API's, `SHAPES` has it by their prefix."""

    def render(self, error: CoreError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]: ...

    def stream_error(self, error: CoreError, request_id: str) -> bytes: ...


def as_core_error(error: Exception, request: Request) -> CoreError:
    return told_of(error, request.operation.operation_id if request.operation else None)


def told_of(error: Exception, operation_id: str | None) -> CoreError:
    """What an exception is to a caller. The unexpected is logged, and shown as an internal error without details."""
    if isinstance(error, CoreError):
        return error
    if isinstance(error, RowRefused | UnsafeKey):
        return Invalid("a value in the request cannot be stored", code="unstorable_value")
    if isinstance(error, StorageError):
        log.warning("storage_unavailable", reason=str(error))
        return Unavailable("storage is not available", headers={"Retry-After": "1"})
    log.error("internal_error", operation_id=operation_id, exc_info=error)
    return CoreError("an internal error occurred")


class Boundary:
    """Answers errors (ASGI middleware). The record of a request that failed before or in its handler is closed here.

    Under a stream that has begun there is nothing left to say: it ends without its end, which its reader notices.
    """

    def __init__(self, app: Any, *, wording: Wording, recorder: Recorder) -> None:
        self.app = app
        self._wording = wording
        self._recorder = recorder
        self._shapes: Mapping[str, Shape] = getattr(wording, "SHAPES", {})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request: Request = scope[KEY]
        try:
            await self.app(scope, receive, send)
        except Disconnected:
            return
        except Exception as error:
            told = as_core_error(error, request)
            if request.streaming:
                log.warning("stream_cut", reason=told.message)
            else:
                await self._answer(request, told, send)
        finally:
            if request.uploads:
                request.close()

    async def _answer(self, request: Request, error: CoreError, send: Any) -> None:
        if request.operation is not None and request.who is not None:
            try:
                await self._recorder.fail(request.record or self._recorder.open(request), request, error)
            except Unavailable as unrecorded:
                error = unrecorded
        else:
            self._recorder.refuse(error.status)
        status, headers, body, media_type = self._word(error, request)
        fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        fields += [
            (b"content-type", media_type.encode("latin-1")),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request.request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": body})

    def _word(self, error: CoreError, request: Request) -> tuple[int, dict[str, str], bytes, str]:
        """Status, headers, body and media type: in the shape of the path's own, where it has one."""
        for prefix, shape in self._shapes.items():
            if request.path == prefix or request.path.startswith(prefix + "/"):
                return shape(error, request.request_id, request.path)
        status, headers, content = self._wording.render(error, request.request_id)
        return status, headers, orjson.dumps(content), JSON
