"""What a stream's client is told, and when, as its record is written or cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from codegen.operation import Operation
from handlers.core.call import Caller
from handlers.core.errors import CoreError, Unavailable
from handlers.wire.reply import ByteStream, EventStream, Last
from server.binding.recorder import Recorder
from server.binding.streams import StreamSender
from server.binding.watch import Interrupted, OpenStreams, Reason, Watch
from server.request import Request
from storage.errors import StorageUnavailable
from storage.ledger_record import Record


@dataclass
class Ledger:
    """Notes the states it was given among what was sent; from `away_from` calls on it cannot write."""

    log: list[str]
    away_from: int = 100
    calls: int = 0

    def begin(self, record: Record) -> None:
        pass

    async def start(self, record: Record, begun: None = None) -> None:
        self._note(record)

    async def finish(self, record: Record) -> None:
        self._note(record)

    def post(self, record: Record) -> None:
        self._note(record)

    def _note(self, record: Record) -> None:
        self.calls += 1
        if self.calls > self.away_from:
            raise StorageUnavailable("away")
        self.log.append(f"<{record.state}>")


class Wording:
    def render(self, error: CoreError, request_id: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        raise NotImplementedError

    def stream_error(self, error: CoreError, request_id: str) -> bytes:
        return b"error: " + error.code.encode()


@dataclass
class Client:
    log: list[str] = field(default_factory=list)

    async def send(self, message: dict[str, Any]) -> None:
        text = message["body"].decode() if "body" in message else str(message["status"])
        if text or not message.get("more_body", True):
            self.log.append(text or "end")


async def play(events: AsyncIterator[bytes], away_from: int = 100, error_code: str | None = None) -> list[str]:
    client = Client()
    request = Request({"method": "POST", "query_string": b"", "headers": []}, "/chat")
    request.operation = Operation("chat", "POST", "/chat", "h", "X")
    request.who = Caller("proj_1", "default")
    recorder = Recorder("maniac", Ledger(client.log, away_from))
    request.record = recorder.open(request)
    request.record.model = "simulator/chat"
    request.record.error_code = error_code
    async with Watch(None) as watch:
        await StreamSender(Wording(), recorder, 15.0).send(EventStream(events), request, watch, client.send)
    return client.log


async def two(then: Exception | None = None) -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"
    if then is not None:
        raise then


async def finished(then: Exception | None = None) -> AsyncIterator[bytes]:
    yield b"one"
    yield Last(b"done")
    if then is not None:
        raise then


async def test_the_row_is_there_before_the_first_byte_and_final_before_the_last_event() -> None:
    assert await play(finished()) == ["<started>", "200", "one", "<completed>", "done", "end"]


async def test_a_stream_without_a_last_event_is_recorded_before_its_end() -> None:
    assert await play(two()) == ["<started>", "200", "one", "two", "<completed>", "end"]


async def test_a_failure_in_mid_stream_is_recorded_and_told() -> None:
    log = await play(two(then=Unavailable("gone")))
    assert log == ["<started>", "200", "one", "two", "<failed>", "error: service_unavailable", "end"]


async def test_what_is_unexpected_is_told_without_details() -> None:
    log = await play(two(then=ZeroDivisionError("a secret")))
    assert log[-3:] == ["<failed>", "error: internal_error", "end"]


async def test_a_failure_after_the_last_event_is_not_told() -> None:
    log = await play(finished(then=Unavailable("too late")))
    assert log == ["<started>", "200", "one", "<completed>", "done", "end"]


async def test_an_end_that_cannot_be_recorded_is_an_error_event() -> None:
    log = await play(finished(), away_from=1)
    assert log == ["<started>", "200", "one", "error: service_unavailable", "end"]


async def test_a_stream_that_cannot_be_recorded_does_not_begin() -> None:
    with pytest.raises(Unavailable):
        await play(finished(), away_from=0)


async def test_a_failure_before_the_first_frame_is_raised() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        raise Unavailable("at once")
        yield b""

    with pytest.raises(Unavailable):
        await play(nothing())


async def test_a_stream_whose_last_frame_tells_of_a_failure_is_recorded_as_failed() -> None:
    async def events() -> AsyncIterator[bytes]:
        yield b"half"
        yield Last(b"failed")

    assert await play(events(), error_code="upstream_failed") == [
        "<started>",
        "200",
        "half",
        "<failed>",
        "failed",
        "end",
    ]


@dataclass
class Download:
    """A file on its way to a client."""

    client: Client = field(default_factory=Client)
    streams: OpenStreams = field(default_factory=OpenStreams)

    async def play(self, chunks: AsyncIterator[bytes]) -> Request:
        request = Request({"method": "GET", "query_string": b"", "headers": []}, "/file")
        request.operation, request.who = Operation("file", "GET", "/file", "h", "X"), Caller("proj_1", "default")
        recorder = Recorder("maniac", Ledger(self.client.log))
        request.record = recorder.open(request)
        sender = StreamSender(Wording(), recorder, 15.0)
        try:
            async with Watch(None, self.streams):
                await sender.send_bytes(ByteStream(chunks, 6, "text/plain"), request, self.client.send)
        except Interrupted as interrupted:
            await sender.interrupt(interrupted, request, self.client.send)
        return request


async def test_a_download_is_recorded_before_its_end() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    download = Download()
    await download.play(chunks())
    assert download.client.log == ["200", "abc", "def", "<completed>", "end"]


async def test_a_download_that_fails_at_once_can_still_be_answered() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        raise StorageUnavailable("away")
        yield b""

    download = Download()
    with pytest.raises(StorageUnavailable):
        await download.play(chunks())
    assert download.client.log == []


async def test_a_download_that_is_cut_off_gets_no_words_into_its_bytes() -> None:
    download = Download()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"abc"
        download.streams.end()
        await asyncio.Event().wait()

    request = await download.play(chunks())
    assert download.client.log == ["200", "abc", "<interrupted>"]
    assert request.record is not None
    assert request.record.error_code == Reason.SHUTDOWN.value
