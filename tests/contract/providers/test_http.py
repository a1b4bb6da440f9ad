"""The HTTP client against a server on loopback: faults, limits, and that nothing stays open."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from providers.errors import BrokenAnswer, ProviderError, TimedOut, Unavailable
from providers.http import HttpClient
from tests.contract.providers.fake_vendor import FakeVendor, Reply, json_reply, sse_reply
from tests.contract.providers.rigs import HASTY, PATIENT


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor().running() as vendor:
        yield vendor


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(PATIENT)
    yield client
    await client.close()


@pytest.fixture
async def hasty() -> AsyncIterator[HttpClient]:
    """Soon tired of waiting."""
    client = HttpClient(HASTY)
    yield client
    await client.close()


@contextmanager
def refused_port() -> Iterator[int]:
    """A port that is taken but not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def post(http: HttpClient, url: str) -> bytes:
    return (await http.post_json(url, {"x-own": "1"}, b'{"a":1}')).body


async def read(http: HttpClient, url: str) -> list[bytes]:
    async with http.stream(url, {"x-own": "1"}, b'{"a":1}') as answer, aclosing(answer.events()) as events:
        return [event async for portion in events for event in portion]


Call = Callable[[HttpClient, str], Awaitable[Any]]
BOTH = pytest.mark.parametrize("call", [post, read])


async def test_a_whole_answer_comes_with_status_headers_and_body(vendor: FakeVendor, http: HttpClient) -> None:
    vendor.reply = json_reply({"b": 2}, status=418, X_Told="yes")
    answer = await http.post_json(vendor.url + "/p", {"x-own": "1"}, b'{"a":1}')
    assert (answer.status, answer.headers["x-told"], answer.body) == (418, "yes", b'{"b":2}')
    assert (vendor.last.path, vendor.last.body) == ("/p", {"a": 1})
    assert vendor.last.headers["x-own"] == "1"
    assert vendor.last.headers["content-type"] == "application/json"


async def test_a_stream_gives_out_data_up_to_done(vendor: FakeVendor, http: HttpClient) -> None:
    vendor.reply = sse_reply([b"data: a\n\nda", b"ta: b\n\n: c\n\ndata:\n\n", b"data: [DONE]\n\n", b"data: late\n\n"])
    assert await read(http, vendor.url) == [b"a", b"b"]
    assert vendor.last.headers["x-own"] == "1"


async def test_connections_are_used_again(vendor: FakeVendor, http: HttpClient) -> None:
    vendor.reply = sse_reply([b"data: a\n\ndata: [DONE]\n\n"])
    for _ in range(3):
        await read(http, vendor.url)
    vendor.reply = json_reply({})
    for _ in range(3):
        await post(http, vendor.url)
    assert vendor.accepted == 1


@BOTH
async def test_nobody_listening_is_unavailable(http: HttpClient, call: Call) -> None:
    with refused_port() as port, pytest.raises(Unavailable, match="cannot be reached"):
        await call(http, f"http://127.0.0.1:{port}/secret-path")


@BOTH
@pytest.mark.parametrize("url", ["nonsense", "http://"])
async def test_an_invalid_address_is_unavailable(http: HttpClient, call: Call, url: str) -> None:
    with pytest.raises(Unavailable):
        await call(http, url)


@BOTH
async def test_silence_before_the_headers_times_out(vendor: FakeVendor, hasty: HttpClient, call: Call) -> None:
    vendor.reply = Reply(before="stall")
    with pytest.raises(TimedOut):
        await call(hasty, vendor.url)
    await asyncio.wait_for(vendor.empty.wait(), 60)


@BOTH
async def test_silence_within_the_body_times_out(vendor: FakeVendor, hasty: HttpClient, call: Call) -> None:
    vendor.reply = sse_reply([b"data: a\n\n"], after="stall")
    with pytest.raises(TimedOut):
        await call(hasty, vendor.url)
    await asyncio.wait_for(vendor.empty.wait(), 60)


@BOTH
async def test_a_cut_body_is_unavailable(vendor: FakeVendor, http: HttpClient, call: Call) -> None:
    vendor.reply = sse_reply([b"data: a\n\n"], after="cut")
    with pytest.raises(Unavailable):
        await call(http, vendor.url)


@BOTH
async def test_cancelling_closes_the_connection(vendor: FakeVendor, call: Call) -> None:
    http = HttpClient()
    vendor.reply = Reply(before="stall")
    task = asyncio.ensure_future(call(http, vendor.url))
    await vendor.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(vendor.gone.wait(), 60)
    await http.close()


async def test_closing_a_stream_closes_the_connection(vendor: FakeVendor) -> None:
    http = HttpClient()
    vendor.reply = sse_reply([b"data: a\n\n"], after="stall")
    async with http.stream(vendor.url, {}, b"{}") as answer, aclosing(answer.events()) as events:
        assert await anext(events) == [b"a"]
    await asyncio.wait_for(vendor.gone.wait(), 60)
    await http.close()


async def test_an_answer_beyond_the_limit_is_broken(vendor: FakeVendor) -> None:
    http = HttpClient(largest_answer_bytes=1000)
    vendor.reply = Reply([b"x" * 600, b"x" * 600])
    with pytest.raises(BrokenAnswer, match="too large"):
        await post(http, vendor.url)
    await http.close()


@BOTH
async def test_redirects_are_not_followed(vendor: FakeVendor, http: HttpClient, call: Call) -> None:
    vendor.reply = json_reply({}, status=307, Location="/elsewhere")
    await call(http, vendor.url + "/first")
    assert [seen.path for seen in vendor.seen] == ["/first"]


@BOTH
async def test_large_bodies_go_both_ways(vendor: FakeVendor, http: HttpClient, call: Call) -> None:
    text = b"y" * (3 * 1024 * 1024)
    vendor.reply = sse_reply([b"data: " + text + b"\n\n"])
    answered = await call(http, vendor.url)
    assert text in (answered if isinstance(answered, bytes) else answered[0])


async def test_a_closed_client_leaves_no_tasks_and_no_connections(vendor: FakeVendor) -> None:
    before = asyncio.all_tasks()
    http, hasty = HttpClient(PATIENT), HttpClient(HASTY)
    vendor.reply = sse_reply([b"data: a\n\n"])
    await read(http, vendor.url)
    vendor.reply = Reply(before="stall")
    for call in (post, read):
        with pytest.raises(ProviderError):
            await call(hasty, vendor.url)
    for client in (http, hasty):
        await client.close()
    await asyncio.wait_for(vendor.empty.wait(), 60)
    assert asyncio.all_tasks() - before == set()


def test_a_client_that_was_never_used_imports_nothing() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from providers.http import HttpClient; HttpClient();"
        "print(any(name in sys.modules for name in ('aiohttp', 'bpe_openai')))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
