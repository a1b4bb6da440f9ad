"""One request and its answer: what the application receives and sends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from server.protocol.head import CHUNKED, CLOSE, STATUS_LINES, Head

if TYPE_CHECKING:
    from server.protocol.connection import Protocol

GATHERED_BYTES = 64 * 1024
"""What is more is written at once."""

BODILESS = frozenset({204, 304})
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
FAILED = b"Internal Server Error"
FAILED_HEADERS = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"content-length", b"%d" % len(FAILED)),
    (b"connection", b"close"),
)
log = logging.getLogger("uvicorn.error")
access_log = logging.getLogger("uvicorn.access")


class Exchange:
    """`keep_alive` is whether another may follow on its connection, `waits` whether the client wants a word before it
    sends its body. `is_whole` says that the request's body has come to its end, of which `held_bytes` were not received
    yet; `has_started` that the application has begun its answer, `is_answered` that it has sent the whole, `is_gone`
    that the client has hung up.

    What is sent in one turn of the event loop is one write, and one chunk where the transfer is chunked.
    """

    __slots__ = (
        "_connection", "_frames", "_frames_bytes", "_has_asked", "_has_body", "_head", "_is_chunked", "_is_due",
        "_is_read", "_is_streaming", "_left_bytes", "_pieces", "_waiters", "has_started", "held_bytes",
        "is_answered", "is_gone", "is_whole", "keep_alive", "scope",
    )  # fmt: skip

    def __init__(self, connection: Protocol, scope: dict[str, Any], keep_alive: bool, waits: bool) -> None:
        self._connection = connection
        self.scope = scope
        self.keep_alive = keep_alive
        self.is_gone = False
        # the request's body
        self._pieces: list[bytes] = []
        self.held_bytes = 0
        self.is_whole = self._is_read = False
        self._has_asked = not waits
        self._waiters: list[asyncio.Future[None]] = []
        # the answer: its head and frames are those that are not written yet
        self.has_started = self.is_answered = False
        self._is_chunked = self._is_streaming = self._is_due = False
        self._has_body = True
        self._left_bytes: int | None = None
        self._head = b""
        self._frames: list[bytes] = []
        self._frames_bytes = 0

    # what the connection tells

    def feed(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.held_bytes += len(piece)
        if self._waiters:
            self._tell()

    def end(self) -> None:
        self.is_whole = True
        if self._waiters:
            self._tell()

    def leave(self) -> None:
        self.is_gone = True
        self._is_streaming = False
        if self._waiters:
            self._tell()

    def _tell(self) -> None:
        """Whoever waits to receive looks again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _wait(self) -> None:
        waiter = self._connection.loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    # what the application does

    async def run(self, app: Any) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except BaseException as error:
            log.error("Exception in ASGI application\n", exc_info=error)
            self._fail()
            return
        if not (self.is_answered or self.is_gone):
            what = "completing" if self.has_started else "starting"
            log.error("ASGI callable returned without %s response.", what)
            self._fail()

    async def receive(self) -> dict[str, Any]:
        if not self._has_asked:
            self._ask()
        while not (self._pieces or self.is_whole > self._is_read or self.is_gone or self.is_answered):
            await self._wait()
        if self.is_gone or self.is_answered:
            return {"type": "http.disconnect"}
        body = b"".join(self._pieces)
        self._pieces.clear()
        self.held_bytes = 0
        self._is_read = self.is_whole
        if self._connection.is_paused:
            self._connection.balance()
        return {"type": "http.request", "body": body, "more_body": not self.is_whole}

    def _ask(self) -> None:
        """A client may wait for a word before it sends its body (RFC 9110, section 10.1.1). It gets it though the body
        is there, or empty: after an answer without it botocore reads the next one on the connection wrongly."""
        self._has_asked = True
        if not (self.has_started or self.is_gone):
            self._connection.write((CONTINUE,), len(CONTINUE))

    async def send(self, message: Any) -> None:
        """Waits while the client does not read. Raises `RuntimeError` for what cannot be said (any more)."""
        if self._is_streaming and self._connection.blocked is None and message.get("more_body"):
            body = message["body"]
            self._frames.append(body)
            self._frames_bytes += len(body)
            if not self._is_due or self._frames_bytes > GATHERED_BYTES:
                self._flush_soon()
            return
        while self._connection.blocked is not None and not self.is_gone:
            await self._connection.blocked.wait()
        if self.is_gone:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.has_started:
            self._start(message["status"], Head(message.get("headers", ())))
        elif kind == "http.response.body" and self.has_started and not self.is_answered:
            self._add(message.get("body", b""))
            if message.get("more_body"):
                self._flush_soon()
            else:
                self._finish()
        else:
            raise RuntimeError(f"Unexpected ASGI message {kind!r}.")

    # the answer on its way

    def _start(self, status: int, head: Head) -> None:
        """Whatever was announced, an answer to HEAD and one of these statuses has no body (RFC 9112, section 6.3)."""
        connection, scope = self._connection, self.scope
        self.has_started = True
        framing = b"" if self.keep_alive or head.closes else CLOSE
        self.keep_alive = self.keep_alive and not head.closes
        self._has_body = scope["method"] != "HEAD" and status not in BODILESS
        if self._has_body:
            self._is_chunked, self._left_bytes = head.is_chunked, head.length
            if head.length is None and not head.is_chunked and scope["http_version"] != "1.0":
                self._is_chunked = True
                framing += CHUNKED
        self._head = b"%b%b%b%b\r\n" % (STATUS_LINES[status], connection.default_lines(), head.lines, framing)
        if connection.logs_access:
            _log_access(scope, status)
        self._is_streaming = self._is_chunked
        self._flush_soon()

    def _add(self, body: bytes) -> None:
        if not self._has_body:
            return
        if self._left_bytes is not None:
            if len(body) > self._left_bytes:
                raise RuntimeError("Response content longer than Content-Length")
            self._left_bytes -= len(body)
        self._frames.append(body)
        self._frames_bytes += len(body)

    def _flush_soon(self) -> None:
        if self._frames_bytes > GATHERED_BYTES:
            self._flush()
        elif not self._is_due:
            self._is_due = True
            self._connection.loop.call_soon(self._flush)

    def _flush(self, ending: bytes = b"") -> None:
        self._is_due = False
        head, frames, size = self._head, self._frames, self._frames_bytes
        if size and self._is_chunked:
            head, ending = b"%b%x\r\n" % (head, size), b"\r\n" + ending
        if size or head or ending:
            self._head, self._frames, self._frames_bytes = b"", [], 0
            self._connection.write((head, *frames, ending), size)

    def _finish(self) -> None:
        if self._left_bytes:
            raise RuntimeError("Response content shorter than Content-Length")
        self._flush(b"0\r\n\r\n" if self._is_chunked else b"")
        self.is_answered = True
        self._is_streaming = False
        if self._waiters:
            self._tell()
        self._connection.finish(self)

    def _fail(self) -> None:
        """The application is done, and its answer may not be."""
        if self.is_gone or self.is_answered:
            return
        if not self.has_started:
            self._start(500, Head(FAILED_HEADERS))
            self._add(FAILED)
            self._finish()
            return
        self._flush()
        self._connection.cut(is_noticed=self._is_chunked or self._left_bytes is not None)


def _log_access(scope: dict[str, Any], status: int) -> None:
    host, port = scope["client"] or ("", 0)
    target = quote(scope["path"])
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("ascii")
    access_log.info('%s:%d - "%s %s HTTP/%s" %d', host, port, scope["method"], target, scope["http_version"], status)
