"""Event streams: headers once the first frame is there, frames as they come, and an honest end."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from handlers.core.errors import CoreError, Unavailable
from handlers.wire.reply import ByteStream, EventStream, Last
from server.binding.boundary import Wording, as_core_error
from server.binding.recorder import Recorder
from server.binding.watch import Interrupted, Reason, Watch
from server.request import Request
from storage.ledger_record import Record, State

KEEP_ALIVE = b": keep-alive\n\n"
NOTED_US = 1_000_000
"""How often a stream's record says how far it has come, if that is known any better than before."""
CLIENT_CLOSED = 499
"""The status in the record of a request whose client hung up before an answer."""


class StreamSender:
    def __init__(self, wording: Wording, recorder: Recorder, keep_alive_seconds: float) -> None:
        self._wording = wording
        self._recorder = recorder
        self._keep_alive_seconds = keep_alive_seconds

    async def send(self, stream: EventStream, request: Request, watch: Watch, send: Any) -> None:
        """Raises whatever comes before the first frame; later errors end the stream in the API's own words."""
        record = request.record
        if record is None:
            raise RuntimeError("a stream needs a record")
        async with aclosing(stream.events) as events:  # type: ignore[type-var]
            first = await anext(events, Last())
            if request.record_is_ours:
                await self._recorder.start(record, request)
            request.streaming = request.sends_events = watch.is_streaming = True
            await send({"type": "http.response.start", "status": 200, "headers": _headers(stream, request)})
            if stream.keep_alive:
                watch.keep_alive(lambda: _body(send, KEEP_ALIVE), self._keep_alive_seconds)
            try:
                await self._relay(first, events, request, watch, send)
            except Exception as error:
                await self._break_off(as_core_error(error, request), record, request, send)
            await _body(send, b"", more=False)

    async def send_bytes(self, stream: ByteStream, request: Request, send: Any) -> None:
        """Raises whatever goes wrong: before the first bytes it can be answered, later it cuts the connection."""
        record = request.record
        if record is None:
            raise RuntimeError("a stream needs a record")
        async with aclosing(stream.chunks) as chunks:  # type: ignore[type-var]
            first = await anext(chunks, b"")
            request.streaming = True
            await send(
                {"type": "http.response.start", "status": stream.status, "headers": _byte_headers(stream, request)}
            )
            await _body(send, first)
            async for chunk in chunks:
                await _body(send, chunk)
        await self._recorder.close(record, request, "completed", stream.status)
        await _body(send, b"", more=False)

    async def _relay(self, first: bytes, events: Any, request: Request, watch: Watch, send: Any) -> None:
        record: Record = request.record  # type: ignore[assignment]
        gauge = request.gauge
        if gauge is not None and first:
            gauge.count(first)
        closed = await self._forward(first, request, send)
        noted_at, noted_tokens = request.elapsed_us(), record.completion_tokens
        async for frames in events:
            watch.touch()
            if gauge is not None:
                gauge.count(frames)
            if type(frames) is Last:
                closed = await self._forward(frames, request, send)
                continue
            await send({"type": "http.response.body", "body": frames, "more_body": True})
            news = record.completion_tokens != noted_tokens and request.record_is_ours and not closed
            if news and request.elapsed_us() - noted_at >= NOTED_US:
                noted_at, noted_tokens = request.elapsed_us(), record.completion_tokens
                self._recorder.note(record)
        if not closed:
            await self._recorder.close(record, request, "completed", 200)

    async def _forward(self, frame: bytes, request: Request, send: Any) -> bool:
        """Sends one frame, and says whether it closed the record: as failed where the stream itself told of it."""
        last = type(frame) is Last
        if last and request.record is not None:
            state: State = "failed" if request.record.error_code else "completed"
            await self._recorder.close(request.record, request, state, 200)
        await _body(send, frame)
        return last

    async def _break_off(self, error: CoreError, record: Record, request: Request, send: Any) -> None:
        if record.state == "completed":  # the client has seen the end: there is nothing more to tell it
            return
        try:
            await self._recorder.fail(record, request, error)
        except Unavailable as unrecorded:
            error = unrecorded
        await _body(send, self._wording.stream_error(error, request.request_id))

    async def interrupt(self, interrupted: Interrupted, request: Request, send: Any) -> None:
        """Records a request that was cut off. On shutdown its client is told, by 503 where no header is out yet."""
        record = request.record
        shutdown = interrupted.reason is Reason.SHUTDOWN
        if record is None or record.state != "started":
            return
        farewell = Unavailable("the server is shutting down", headers={"Retry-After": "1"})
        if shutdown and not request.streaming:
            raise farewell
        record.error_code = interrupted.reason.value
        await self._recorder.close(record, request, "interrupted", 200 if request.streaming else CLIENT_CLOSED)
        if shutdown and request.sends_events:
            await _body(send, self._wording.stream_error(farewell, request.request_id))
            await _body(send, b"", more=False)


async def _body(send: Any, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


def _byte_headers(stream: ByteStream, request: Request) -> list[tuple[bytes, bytes]]:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in stream.headers.items()]
    # with 304 it would be taken for the length of what the reader has
    if stream.size_bytes is not None and stream.status != 304:
        headers.append((b"content-length", b"%d" % stream.size_bytes))
    return [
        *headers,
        (b"content-type", stream.media_type.encode("latin-1")),
        (b"x-request-id", request.request_id.encode()),
    ]


def _headers(stream: EventStream, request: Request) -> list[tuple[bytes, bytes]]:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in stream.headers.items()]
    return [
        *headers,
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
        (b"x-request-id", request.request_id.encode()),
    ]
