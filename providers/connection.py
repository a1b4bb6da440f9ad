"""One HTTP/1.1 connection to a vendor: a request at a time, and its answer as it comes.

A protocol of our own on the parser that our server uses, because it is on the way of every request: it costs a fifth of
what a general client does.
"""

from __future__ import annotations

import asyncio
import select
import zlib
from typing import Any

from providers.errors import BrokenAnswer, TimedOut, Unavailable

LARGEST_HEAD_BYTES = 64 * 1024
"""Of an answer with the interim ones before it; and of what may come later without a byte of a body (chunk extensions,
trailers)."""
BUFFERED_BYTES = 256 * 1024
"""What is read ahead of whoever reads."""
PORTION_BYTES = 1024 * 1024
"""How much of a compressed answer is unpacked at once."""
DEFLATED = ("gzip", "x-gzip", "deflate")
TRUSTED_SECONDS = 1.0
"""A connection that waited no longer is not looked at before it is used again."""
NO_HTTP = "the provider's answer is not HTTP"
BROKEN = "the provider broke the connection"


class Connection(asyncio.Protocol):
    """Raises `TimedOut` and `Unavailable`. After `begin` comes `head`, then `portion` until it is empty; `reusable`
    says whether another request may follow. `idle_since` is the loop's time when the last one had ended."""

    def __init__(self) -> None:
        from httptools import HttpResponseParser

        self._loop = asyncio.get_running_loop()
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._fault: str | None = None
        self.idle_since = 0.0
        self._forget()
        self._complete = True  # nothing was asked

    def _forget(self) -> None:
        self._status = 0
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._bodiless_bytes = 0
        self._has_head = self._complete = self._paused = False
        self._keeps_alive = False
        self._unpacker: Any = None

    # what the client calls

    def begin(self, head: bytes, body: bytes) -> None:
        self._forget()
        if self._transport is None or self._fault is not None:
            raise Unavailable(BROKEN)
        if len(body) < BUFFERED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def head(self, seconds: float) -> tuple[int, dict[str, str]]:
        self._deadline = self._loop.time() + seconds
        while not self._has_head:
            await self._wait(seconds)
        return self._status, self._headers

    async def portion(self, seconds: float) -> bytes:
        """What has come since, waited for if it is nothing yet; empty at the end."""
        self._deadline = self._loop.time() + seconds
        while True:
            while not self._body and not self._complete:
                await self._wait(seconds)
            body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
            self._body, self._body_bytes = [], 0
            if self._paused:
                self._resume()
            if self._unpacker is not None:
                body = self._unpack(body)
            if body or self._complete:
                return body

    @property
    def complete(self) -> bool:
        """Whether all of the answer was read."""
        return self._complete and not self._body

    @property
    def reusable(self) -> bool:
        return self.complete and self._keeps_alive and self._fault is None

    @property
    def fit(self) -> bool:
        """Whether it may be used again, after it waited. What stands unread in its socket is the vendor's farewell."""
        if not self.reusable or self._transport is None:
            return False
        if self._loop.time() - self.idle_since < TRUSTED_SECONDS:
            return True
        socket = select.poll()
        socket.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not socket.poll(0)

    @property
    def stale(self) -> bool:
        """Whether it was used before, and ended without a byte of the answer that is awaited."""
        return self.idle_since > 0 and self._fault is not None and not self._has_head and not self._bodiless_bytes

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    async def _wait(self, seconds: float) -> None:
        """For anything to come, up to the deadline, which is so many seconds after the waiting began. One timer is kept
        and looked at late, as almost none ever rings."""
        if self._fault is not None:
            raise Unavailable(self._fault)
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except TimeoutError:
            raise TimedOut(f"the provider's answer did not go on for {seconds:g} s") from None
        finally:
            self._waiter = None

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._ring)
        elif not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _resume(self) -> None:
        self._paused = False
        if self._transport is not None:
            self._transport.resume_reading()

    def _unpack(self, packed: bytes) -> bytes:
        try:
            unpacked: bytes = self._unpacker.decompress(self._unpacker.unconsumed_tail + packed, PORTION_BYTES)
        except zlib.error as error:
            raise BrokenAnswer("the provider's answer is packed in a way that cannot be read") from error
        if self._unpacker.unconsumed_tail:
            self._body.insert(0, b"")  # there is more to be unpacked
        return unpacked

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._complete:
            self._fail(BROKEN)
            return
        room = len(data) if self._has_head else LARGEST_HEAD_BYTES - self._bodiless_bytes
        self._feed(data[:room])
        if len(data) > room and self._has_head:
            self._feed(data[room:])
        if self._bodiless_bytes >= LARGEST_HEAD_BYTES:
            self._fail("the head of the provider's answer is too large")
            return
        if self._body_bytes > BUFFERED_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def _feed(self, data: bytes) -> None:
        import httptools

        before = self._body_bytes
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(NO_HTTP)
        if self._body_bytes > before:
            self._bodiless_bytes = 0

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._has_head and not self._headers.keys() & {"content-length", "transfer-encoding"}:
            self._complete = True  # such a body goes on to the end of its connection
        self._keeps_alive = False
        self._fault = self._fault or BROKEN
        self._wake()

    def _fail(self, fault: str) -> None:
        self._fault, self._keeps_alive = fault, False
        self.close()
        self._wake()

    # what the parser calls

    def on_message_begin(self) -> None:
        if self._complete:
            raise ValueError("more than was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:  # a trailer
            return
        self._headers[name.decode("latin-1").lower()] = value.decode("utf-8", "surrogateescape")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer
            self._headers = {}
            return
        self._status, self._has_head, self._bodiless_bytes = status, True, 0
        encoding = self._headers.get("content-encoding", "").strip().lower()
        if encoding in DEFLATED:
            self._unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        elif encoding not in ("", "identity"):
            raise ValueError(encoding)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._has_head:
            self._complete = True
            self._keeps_alive = self._parser.should_keep_alive()
