"""One HTTP/1.1 connection to a vendor: a request at a time, and its answer as it comes.

A protocol of our own on the parser that our server uses, because it is on the way of every request: it costs a fifth of
what a general client does.
"""

from __future__ import annotations

import asyncio
import select
import zlib
from collections.abc import Awaitable
from typing import Any

import httptools

from providers.errors import BrokenAnswer, TimedOut, Unavailable

LARGEST_HEAD_BYTES = 64 * 1024
"""Of an answer with the interim ones before it; and of what may come later without a byte of a body (chunk extensions,
trailers)."""
BUFFERED_BYTES = 256 * 1024
"""What is read ahead of whoever reads."""
PORTION_BYTES = 1024 * 1024
"""How much of a compressed answer is unpacked at once."""
DEFLATED = (b"gzip", b"x-gzip", b"deflate")
TRUSTED_SECONDS = 1.0
"""A connection that waited no longer is not looked at before it is used again."""
NO_HTTP = "the provider's answer is not HTTP"
BROKEN = "the provider broke the connection"


class Connection(asyncio.Protocol):
    """Raises `TimedOut` and `Unavailable`. After `begin` comes `head`, which is over when `status` and `fields` are
    known, then `portion` until it is empty; `reusable` says whether another request may follow. `idle_since` is the
    loop's time when the last one had ended.

    Names in `fields` are in lower case. They are not decoded, as hardly any is ever looked at."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._patience_seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._fault: str | None = None
        self.idle_since = 0.0
        self._forget()
        self._complete = True  # nothing was asked

    def _forget(self) -> None:
        self.status = 0
        self.fields: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._bodiless_bytes = 0
        self._wanted_bytes = 0
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

    async def head(self, seconds: float) -> None:
        self._be_patient(seconds)
        while not self._has_head:
            await self._more()

    async def portion(self, seconds: float) -> bytes:
        """What has come since, waited for if it is nothing yet; empty at the end."""
        self._be_patient(seconds)
        while True:
            while not self._body and not self._complete:
                await self._more()
            body = self._take()
            if body or self._complete:
                return body

    async def rest(self, seconds: float, largest_bytes: int) -> bytes:
        """What is left of the body, or as much of its start as is allowed. From one portion to the next it may take
        `seconds`; nobody is woken before all of them are there, or more than is read ahead."""
        if self._complete and self._unpacker is None:  # it came with the head, as most do
            return self._take()[:largest_bytes]
        portions: list[bytes] = []
        left = largest_bytes
        while left > 0 and not self.complete:
            self._wanted_bytes = left
            portions.append(await self.portion(seconds))
            left -= len(portions[-1])
        return b"".join(portions)[:largest_bytes]

    @property
    def complete(self) -> bool:
        """Whether all of the answer was read."""
        return self._complete and not self._body

    @property
    def reusable(self) -> bool:
        return self._complete and not self._body and self._keeps_alive and self._fault is None

    @property
    def fit(self) -> bool:
        """Whether it may be used again, after it waited. What stands unread in its socket is the vendor's farewell."""
        if not self.reusable or self._transport is None:
            return False
        if self.loop.time() - self.idle_since < TRUSTED_SECONDS:
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

    def _be_patient(self, seconds: float) -> None:
        """From now on it is waited for so long in all."""
        self._patience_seconds = seconds
        self._deadline = self.loop.time() + seconds

    def _more(self) -> Awaitable[None]:
        """For anything to come, up to the deadline. One timer is kept and looked at late, as almost none ever rings."""
        if self._fault is not None:
            raise Unavailable(self._fault)
        timer = self._timer
        if timer is None or timer.when() > self._deadline:
            if timer is not None:
                timer.cancel()
            self._timer = self.loop.call_at(self._deadline, self._ring)
        waiter = self._waiter = self.loop.create_future()
        return waiter

    def _ring(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._ring)
        else:
            waiter.set_exception(TimedOut(f"the provider's answer did not go on for {self._patience_seconds:g} s"))

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _take(self) -> bytes:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body, self._body_bytes = [], 0
        if self._paused:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()
        return body if self._unpacker is None else self._unpack(body)

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
        had_head, room = self._has_head, LARGEST_HEAD_BYTES - self._bodiless_bytes
        if had_head or len(data) <= room:
            self._feed(data)
        else:
            self._feed(data[:room])
            if self._has_head:
                self._feed(data[room:])
        if self._bodiless_bytes >= LARGEST_HEAD_BYTES:
            self._fail("the head of the provider's answer is too large")
            return
        if self._body_bytes > BUFFERED_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        if self._body_bytes >= self._wanted_bytes or self._complete or self._paused:
            self._wake()

    def _feed(self, data: bytes) -> None:
        before = self._body_bytes
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(NO_HTTP)
        if self._body_bytes > before:
            self._bodiless_bytes = 0
            if self._wanted_bytes:
                self._deadline = self.loop.time() + self._patience_seconds

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None
        if self._has_head and not self.fields.keys() & {b"content-length", b"transfer-encoding"}:
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
        self.fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer
            self.fields = {}
            return
        self.status, self._has_head, self._bodiless_bytes = status, True, 0
        encoding = self.fields.get(b"content-encoding")
        if encoding is not None:
            self._unpacker = _unpacker(encoding.strip().lower())

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)

    def on_message_complete(self) -> None:
        if self._has_head:
            self._complete = True
            self._keeps_alive = self._parser.should_keep_alive()


def _unpacker(encoding: bytes) -> Any:
    """None where there is nothing to unpack. Raises `ValueError` for what is not known here."""
    if encoding in DEFLATED:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    if encoding not in (b"", b"identity"):
        raise ValueError(encoding)
    return None
