"""uvicorn's HTTP/1.1 with bounds on the head of a request, of which neither it nor its parser has any, and with what a
stream sends in one turn of the event loop gathered."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

GATHERED_BYTES = 64 * 1024


class Protocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers take too many bytes or too long. `head_bytes` is counted as
    it arrives, so that as much as one read of the socket may come on top. A process that stops still takes the request
    of a connection that was just made, for `last_seconds`: other processes may share the port, and its client had no
    way to know."""

    head_bytes = 256 * 1024
    head_seconds = 60.0
    last_seconds = 1.0

    _received_bytes = 0
    _head_complete = False
    _is_last = False
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_complete or self.transport.is_closing():
            return
        self._received_bytes += len(data)
        if self._received_bytes > self.head_bytes:
            self.send_400_response("The request's headers are too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        self._head_complete = True
        self._disarm()
        super().on_headers_complete()
        if self._is_last and self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_awaited = not self._head_complete and (self.cycle is None or self._received_bytes > 0)
        if is_answering or not is_awaited:
            super().shutdown()
            return
        self._is_last = True
        self._arm(self.last_seconds)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        super()._start_asgi_task(cycle, Gathering(cycle, app))

    def _begin(self) -> None:
        self._received_bytes, self._head_complete = 0, False
        self._arm(self.last_seconds if self._is_last else self.head_seconds)

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class Gathering:
    """An application whose streams are written as they come and no finer: frames that are sent without a wait between
    them are one chunk of the transfer."""

    def __init__(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._cycle = cycle
        self._app = app
        self._frames: list[bytes] = []
        self._size_bytes = 0

    async def __call__(self, scope: Any, receive: Any, _: Any) -> None:
        try:
            await self._app(scope, receive, self._send)
        finally:
            self._flush()

    async def _send(self, message: Any) -> None:
        cycle = self._cycle
        if not (cycle.chunked_encoding and message.get("more_body")):
            self._flush()
            await cycle.send(message)
            return
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if not self._frames:
            asyncio.get_running_loop().call_soon(self._flush)
        self._frames.append(message["body"])
        self._size_bytes += len(message["body"])
        if self._size_bytes > GATHERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        body = b"".join(self._frames)
        self._frames.clear()
        self._size_bytes = 0
        if body and not self._cycle.disconnected and not self._cycle.transport.is_closing():
            self._cycle.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
