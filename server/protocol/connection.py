"""A client's connection: requests as they are parsed, one exchange at a time, and bounds on what is waited for."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Sequence
from typing import Any

import httptools
import uvicorn
from uvicorn.server import ServerState

from server.protocol.exchange import Exchange, access_log
from server.protocol.head import CLOSE, STATUS_LINES, read_target

HELD_BYTES = 64 * 1024
"""Of a body that the application does not receive; then no more is read."""

HELD_REQUESTS = 8
"""Of a client that does not wait for its answers; then no more is read."""

JOINED_BYTES = 64 * 1024
"""What is larger is not copied to be written at once."""

RESET = struct.pack("ii", 1, 0)
"""To a socket: what was not sent is forgotten, and no orderly end follows it."""

ASGI = {"version": "3.0", "spec_version": "2.3"}
MALFORMED = "Invalid HTTP request received."
TOO_LARGE = "The request's headers are too large."
log = logging.getLogger("uvicorn.error")


class Protocol(asyncio.Protocol):
    """Closes a connection whose request line and headers take too many bytes or too long. `head_bytes` is counted as
    it arrives, so that as much as one read of the socket may come on top; what stands between and behind the chunks of
    a body has the same bound. A process that stops still takes the request of a connection that was just made, for
    `last_seconds`: other processes may share the port, and its client had no way to know.

    For its exchanges: `blocked` is there while the client does not read what was written, and set once it does.
    """

    head_bytes = 256 * 1024
    head_seconds = 60.0
    last_seconds = 1.0

    __slots__ = (
        "_app", "_app_state", "_client", "_current", "_deadline", "_default_headers", "_default_lines", "_headers",
        "_idle_seconds", "_is_fresh", "_is_in_head", "_is_in_message", "_is_last", "_is_timed",
        "_newest", "_parser", "_queue", "_refusal", "_scheme", "_server", "_state", "_timer", "_transport",
        "_unused_bytes", "_url", "_waits", "blocked", "is_paused", "logs_access", "loop",
    )  # fmt: skip

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self.blocked: asyncio.Event | None = None
        self.logs_access = access_log.hasHandlers()
        self._app = config.loaded_app
        self._app_state = app_state
        self._idle_seconds = config.timeout_keep_alive
        self._state = server_state
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._default_lines = b""
        self._transport: asyncio.Transport
        self._server: tuple[str, int] | None = None
        self._client: tuple[str, int] | None = None
        self._scheme = "http"
        # what is parsed
        self._parser = self._new_parser()
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._unused_bytes = 0
        self._is_in_message = self._is_in_head = self._waits = False
        self._refusal: str | None = None
        # what is answered: the newest is the last that was parsed, and may be answered already
        self._current: Exchange | None = None
        self._newest: Exchange | None = None
        self._queue: list[Exchange] = []
        self._is_fresh = True
        self._is_last = self.is_paused = False
        # what is waited for, while nothing is answered
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: float | None = None
        self._is_timed = False

    # the transport's calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._server = _address(transport.get_extra_info("sockname"))
        self._client = _address(transport.get_extra_info("peername"))
        if transport.get_extra_info("sslcontext") is not None:
            self._scheme = "https"
        self._state.connections.add(self)  # type: ignore[arg-type]
        self._wait(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._parser = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._current is not None:
            self._current.leave()
        self._queue.clear()
        self.resume_writing()

    def pause_writing(self) -> None:
        self.blocked = asyncio.Event()

    def resume_writing(self) -> None:
        if self.blocked is not None:
            self.blocked.set()
            self.blocked = None

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unused_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._refuse_upgrade(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse_malformed()
        if self._is_in_message or self._queue:
            self._look_after_parts()

    def _look_after_parts(self) -> None:
        """When more came than one request, or less."""
        if self._transport.is_closing():
            return
        if self._unused_bytes > self.head_bytes and self._refusal is None:
            self._refuse(TOO_LARGE)
        elif self._current is None:
            self._rest()
        self.balance()

    # the parser's calls

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._is_in_message = self._is_in_head = True
        self._is_timed = self._waits = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect":
            self._waits = value.lower() == b"100-continue"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser.should_upgrade():  # it is read again
            return
        path, raw_path, query = read_target(self._url)
        version = parser.get_http_version()
        scope = {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "server": self._server,
            "client": self._client,
            "scheme": self._scheme,
            "root_path": "",
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
            "state": self._app_state.copy(),
        }
        self._headers = []  # what comes behind a chunked body is none of the request's
        self._is_in_head = self._is_fresh = False
        self._unused_bytes = 0
        keeps_alive = version != "1.0" and parser.should_keep_alive() and not self._is_last
        exchange = self._newest = Exchange(self, scope, keeps_alive, self._waits and version == "1.1")
        if self._current is None:
            self._begin(exchange)
        else:
            self._queue.append(exchange)

    def on_body(self, piece: bytes) -> None:
        self._unused_bytes = 0
        if self._newest is not None and not self._newest.is_answered:
            self._newest.feed(piece)

    def on_message_complete(self) -> None:
        self._unused_bytes = 0
        self._is_in_message = self._is_in_head = False
        if self._newest is not None:
            self._newest.end()

    # what cannot be parsed

    def _new_parser(self) -> Any:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)  # what follows a last request is not looked at
        return parser

    def _refuse_upgrade(self, rest: memoryview) -> None:
        """Reads a request again as one that asks for no other protocol: the parser takes all that follows the head for
        the other's, the body of this request too."""
        log.warning("Unsupported upgrade request.")
        try:
            while True:
                method, version = self._parser.get_method(), self._parser.get_http_version().encode()
                if method == b"CONNECT":
                    self._refuse_malformed()
                    return
                lines = [b"%b: %b\r\n" % header for header in self._headers if header[0] != b"upgrade"]
                self._parser = self._new_parser()
                self._parser.feed_data(b"%b %b HTTP/%b\r\n%b\r\n" % (method, self._url, version, b"".join(lines)))
                try:
                    self._parser.feed_data(rest)
                except httptools.HttpParserUpgrade as upgrade:
                    rest = rest[upgrade.args[0] :]
                else:
                    return
        except httptools.HttpParserError:
            self._refuse_malformed()

    def _refuse_malformed(self) -> None:
        log.warning(MALFORMED)
        self._refuse(MALFORMED)

    def _refuse(self, message: str) -> None:
        """Nothing more is read. The requests before this one, of which the body may have begun, are answered first."""
        self._refusal = message
        begun = self._newest if self._is_in_message and not self._is_in_head else None
        if begun is not None and begun is self._current and begun.has_started:
            self.cut()
        elif self._current is None or begun is self._current:
            self._tell_refusal()
        elif begun is not None:
            self._queue.remove(begun)
            self._newest = None

    def _tell_refusal(self) -> None:
        content = (self._refusal or "").encode("ascii")
        fields = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(content)
        self._transport.write(b"%b%b%b%b\r\n%b" % (STATUS_LINES[400], self.default_lines(), fields, CLOSE, content))
        self._transport.close()

    # one exchange after the other

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._deadline = None
        task = self.loop.create_task(exchange.run(self._app))
        task.add_done_callback(self._state.tasks.discard)
        self._state.tasks.add(task)

    def finish(self, exchange: Exchange) -> None:
        """Its whole answer was sent."""
        self._state.total_requests += 1
        if self._transport.is_closing():
            return
        if not exchange.keep_alive:
            self._transport.close()
        elif self._queue:
            self._begin(self._queue.pop(0))
        elif self._refusal is not None:
            self._tell_refusal()
        else:
            self._current = None
            self._rest()
        if self.is_paused:
            self.balance()

    def shutdown(self) -> None:
        if self._current is not None:
            last = self._queue[-1] if self._queue else self._current
            last.keep_alive = False
        elif self._is_fresh or self._is_in_head:
            self._is_last = True
            self._wait(self.last_seconds)
        else:
            self._transport.close()

    def _rest(self) -> None:
        """Nothing is answered: a request that has begun has its time to come, and another one too."""
        if not self._is_in_head:
            self._wait(self._idle_seconds)
        elif not self._is_timed:
            self._is_timed = True
            self._wait(self.last_seconds if self._is_last else self.head_seconds)

    def _wait(self, seconds: float) -> None:
        """Closes the connection then, unless an exchange begins. There is one timer, which is set anew when it fires
        too early, because a request that set its own would pay for that."""
        self._deadline = due = self.loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self.loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._look)
        elif not self._transport.is_closing():
            self._transport.close()

    # what exchanges need

    def balance(self) -> None:
        """Reads on, unless the application has enough to do with what is there."""
        newest = self._newest
        is_full = len(self._queue) > HELD_REQUESTS or (
            newest is not None and newest.held_bytes > HELD_BYTES and not newest.is_answered
        )
        if is_full == self.is_paused or self._transport.is_closing():
            return
        self.is_paused = is_full
        if is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def default_lines(self) -> bytes:
        """The headers of every answer, which the server makes anew each second."""
        headers = self._state.default_headers
        if headers is not self._default_headers:
            self._default_headers = headers
            self._default_lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._default_lines

    def write(self, parts: Sequence[bytes], size_bytes: int) -> None:
        if self._transport.is_closing():
            return
        if size_bytes > JOINED_BYTES:
            self._transport.writelines(parts)
        else:
            self._transport.write(b"".join(parts))

    def cut(self, *, is_noticed: bool = True) -> None:
        """Ends an answer that has no end. Where that would be taken for one, the client sees its connection reset."""
        if not is_noticed:
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()
        else:
            self._transport.close()


def _address(name: Any) -> tuple[str, int] | None:
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
