"""What a vendor may do on a connection that no honest one does, byte for byte, and connections that end while kept."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from typing import Any, cast

import pytest

from providers.connection import BUFFERED_BYTES, LARGEST_HEAD_BYTES, TRUSTED_SECONDS
from providers.errors import TimedOut, Unavailable
from providers.http import Answer, HttpClient, Origin, Timeouts

SOON = Timeouts(connect_seconds=10, first_byte_seconds=1, idle_seconds=1)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
OTHER = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nx-other: yes\r\n\r\nother"

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""What the vendor does when it was asked; the connection ends with the last."""


class Raw:
    """Each connection takes the next list of acts, one for a request."""

    def __init__(self, *connections: list[Act]) -> None:
        self.connections = list(connections)
        self.asked = 0
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Raw]:
        tasks: set[asyncio.Task[None] | None] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            acts = self.connections.pop(0)
            try:
                for act in acts:
                    head = await reader.readuntil(b"\r\n\r\n")
                    if b"Content-Length: 2" in head:
                        await reader.readexactly(2)
                    self.asked += 1
                    await act(writer)
                    await writer.drain()
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                assert task is not None
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # type: ignore[arg-type]
            await server.wait_closed()


def says(*packets: bytes) -> Act:
    async def act(writer: asyncio.StreamWriter) -> None:
        for packet in packets:
            writer.write(packet)
            await writer.drain()

    return act


def goes_on(start: bytes, again: bytes, seconds: float) -> Act:
    """For as long as it is listened to."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(seconds)

    return act


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(SOON)
    yield client
    await client.close()


async def test_a_head_without_end_is_unavailable(http: HttpClient) -> None:
    endless = goes_on(b"HTTP/1.1 200 OK\r\n", b"x-more: " + b"y" * 4000 + b"\r\n", 0)
    async with Raw([endless]).running() as vendor:
        with pytest.raises(Unavailable, match="too large"):
            await http.get(vendor.url, {})


async def test_a_head_that_comes_at_once_has_the_same_bound(http: HttpClient) -> None:
    def with_head_of(size_bytes: int) -> bytes:
        rest = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\nx-long: \r\n\r\n"
        return rest.replace(b"x-long: ", b"x-long: " + b"y" * (size_bytes - len(rest))) + b"hi"

    allowed, beyond = with_head_of(LARGEST_HEAD_BYTES - 1), with_head_of(LARGEST_HEAD_BYTES + 1)
    async with Raw([says(allowed)], [says(beyond)]).running() as vendor:
        assert (await http.get(vendor.url, {})).body == b"hi"
        with pytest.raises(Unavailable, match="too large"):
            await http.get(vendor.url, {})


@pytest.mark.parametrize(
    "drip",
    [
        goes_on(b"HTTP/1.1 200 OK\r\nx-slow: ", b"y", 0.05),
        goes_on(b"", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n", 0.05),
        goes_on(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-slow: ", b"y", 0.05),
    ],
    ids=["a head byte by byte", "interim answers", "a trailer byte by byte"],
)
async def test_dripping_does_not_put_off_the_deadline(http: HttpClient, drip: Act) -> None:
    async with Raw([drip]).running() as vendor:
        with pytest.raises(TimedOut):
            await asyncio.wait_for(http.get(vendor.url, {}), 30)


@pytest.mark.parametrize(
    "flood",
    [
        goes_on(b"", b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 100, 0),
        goes_on(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"x-more: y\r\n" * 100, 0),
    ],
    ids=["interim answers", "trailers"],
)
async def test_a_flood_that_is_no_answer_is_ended(http: HttpClient, flood: Act) -> None:
    async with Raw([flood]).running() as vendor:
        with pytest.raises(Unavailable, match="too large"):
            await http.get(vendor.url, {})


async def test_an_interim_answer_is_passed_over_and_trailers_are_no_headers(http: HttpClient) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nx-early: yes\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-late: yes\r\n\r\n"
    async with Raw([says(interim + chunked)]).running() as vendor:
        answer = await http.get(vendor.url, {})
    assert (answer.status, answer.body, dict(answer.headers)) == (200, b"hi", {"transfer-encoding": "chunked"})


async def test_switching_protocols_is_not_http(http: HttpClient) -> None:
    switched = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\nother"
    async with Raw([says(switched)]).running() as vendor:
        with pytest.raises(Unavailable, match="not HTTP"):
            await http.get(vendor.url, {})


@pytest.mark.parametrize("more", [OTHER, OTHER[:7]], ids=["another", "the start of another"])
async def test_what_follows_an_answer_is_taken_for_none(http: HttpClient, more: bytes) -> None:
    async with Raw([says(ANSWER + more), says(OTHER)], [says(ANSWER)]).running() as vendor:
        for _ in range(2):
            answer = await http.get(vendor.url, {})
            assert (answer.status, answer.body, dict(answer.headers)) == (200, b"hi", {"content-length": "2"})
        assert vendor.connections == []


async def test_an_answer_before_the_question_is_taken_for_none(http: HttpClient) -> None:
    refused = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OTHER)
        with suppress(ConnectionError):
            await reader.read()
        refused.set()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    connection = await http.connect(Origin("127.0.0.1", server.sockets[0].getsockname()[1], False))
    await asyncio.wait_for(refused.wait(), 30)
    with pytest.raises(Unavailable):
        connection.begin(b"GET / HTTP/1.1\r\n\r\n", b"")
    server.close()
    await server.wait_closed()


async def test_a_get_is_sent_again_when_its_kept_connection_ends_unanswered(http: HttpClient) -> None:
    async with Raw([says(ANSWER), says()], [says(ANSWER)]).running() as vendor:
        await http.get(vendor.url, {})
        assert (await http.get(vendor.url, {})).body == b"hi"
        assert vendor.asked == 3


async def test_a_get_is_sent_again_only_once(http: HttpClient) -> None:
    async with Raw([says(ANSWER), says()], [says()], [says(ANSWER)]).running() as vendor:
        await http.get(vendor.url, {})
        with pytest.raises(Unavailable):
            await http.get(vendor.url, {})
        assert vendor.asked == 3


async def test_a_get_on_a_new_connection_or_with_part_of_an_answer_is_not_sent_again(http: HttpClient) -> None:
    async with Raw([says()], [says(ANSWER), says(ANSWER[:9])], [says(ANSWER)]).running() as vendor:
        with pytest.raises(Unavailable):
            await http.get(vendor.url, {})
        await http.get(vendor.url, {})
        with pytest.raises(Unavailable):
            await http.get(vendor.url, {})
        assert vendor.asked == 3


async def test_a_post_that_was_sent_is_not_sent_again(http: HttpClient) -> None:
    async with Raw([says(ANSWER), says()], [says(ANSWER)]).running() as vendor:
        await http.post_json(vendor.url, {}, b"{}")
        with pytest.raises(Unavailable):
            await http.post_json(vendor.url, {}, b"{}")
        assert vendor.asked == 2


async def test_a_connection_whose_end_nobody_has_read_is_not_used_again(http: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        asking = asyncio.ensure_future(http.get(f"http://127.0.0.1:{port}/", {}))
        accepted, _ = await asyncio.to_thread(listening.accept)
        await asyncio.to_thread(accepted.recv, 4096)
        await asyncio.to_thread(accepted.sendall, ANSWER)
        await asking
        connection = http.kept(Origin("127.0.0.1", port, False))
        assert connection is not None
        connection.idle_since -= 2 * TRUSTED_SECONDS
        assert connection.fit
        accepted.close()  # the event loop has not run since
        assert not connection.fit
        connection.close()


class Steps:
    """Awaits, and counts how often that was woken."""

    def __init__(self, awaited: Coroutine[Any, Any, Answer]) -> None:
        self.awaited = awaited
        self.count = 0

    def __await__(self) -> Generator[Any, None, Answer]:
        steps = self.awaited.__await__()
        while True:
            try:
                waits_for = next(steps)
            except StopIteration as end:
                return cast(Answer, end.value)
            self.count += 1
            yield waits_for


async def test_a_whole_answer_in_pieces_may_take_longer_than_one_and_wakes_its_reader_once() -> None:
    words = [b"%06d" % number for number in range(60)]

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 360\r\n\r\n")
        for word in words:
            writer.write(word)
            await asyncio.sleep(0.05)

    http = HttpClient(Timeouts(connect_seconds=10, first_byte_seconds=10, idle_seconds=2))
    async with Raw([says(ANSWER), act]).running() as vendor:
        await http.get(vendor.url, {})  # to be connected
        steps = Steps(http.get(vendor.url, {}))
        assert (await steps).body == b"".join(words)
        assert steps.count <= 2  # one for the head
    await http.close()


async def test_a_whole_answer_that_stops_in_the_middle_times_out_and_one_that_is_cut_is_unavailable(
    http: HttpClient,
) -> None:
    begun = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nbegun"

    async def stall(writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await writer.drain()
        await asyncio.sleep(60)

    async with Raw([stall], [says(begun, b"more")]).running() as vendor:
        with pytest.raises(TimedOut, match="did not go on for 1 s"):
            await asyncio.wait_for(http.get(vendor.url, {}), 30)
        with pytest.raises(Unavailable, match="broke the connection"):
            await http.get(vendor.url, {})


async def test_an_answer_larger_than_what_is_read_ahead_comes_whole(http: HttpClient) -> None:
    body = bytes(range(256)) * (5 * BUFFERED_BYTES // 256)
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    async with Raw([says(whole[:100], whole[100:-1], whole[-1:])]).running() as vendor:
        assert (await http.get(vendor.url, {})).body == body
