"""uvicorn's HTTP/1.1 with bounds on the head of a request, of which neither it nor its parser has any."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Protocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers take too many bytes or too long. `head_bytes` is counted as
    it arrives, so that as much as one read of the socket may come on top."""

    head_bytes = 256 * 1024
    head_seconds = 60.0

    _received_bytes = 0
    _head_complete = False
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

    def _begin(self) -> None:
        self._disarm()
        self._received_bytes, self._head_complete = 0, False
        self._timer = self.loop.call_later(self.head_seconds, self._give_up)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
