from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from server.protocol import Protocol

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n"


HEAD_SECONDS = 0.5


async def hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["path"] == "/slow":
        await asyncio.sleep(2 * HEAD_SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


@asynccontextmanager
async def connected(
    seconds: float = 60, state: ServerState | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    class Bounded(Protocol):
        head_bytes = 10_000
        head_seconds = seconds
        last_seconds = seconds

    config = uvicorn.Config(hello, http=Bounded, ws="none", lifespan="off", log_config=None)
    config.load()
    state = state or ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Bounded(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def test_requests_on_one_connection_have_a_bound_each() -> None:
    async with connected() as (reader, writer):
        for _ in range(3):
            writer.write(HEAD + b"X: " + b"a" * 6000 + b"\r\n\r\n")
            assert (await reader.readuntil(b"hi")).startswith(b"HTTP/1.1 200")


async def stop(state: ServerState) -> None:
    """As a server does that stops, once it knows of the connection."""
    async with asyncio.timeout(20):
        while not state.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    for connection in list(state.connections):
        connection.shutdown()


@pytest.mark.parametrize("begun", [b"", b"GET / HT"])
async def test_who_connects_when_the_server_stops_is_answered_once(begun: bytes) -> None:
    state = ServerState()
    async with connected(state=state) as (reader, writer):
        writer.write(begun)
        await stop(state)
        writer.write((HEAD + b"\r\n").removeprefix(begun))
        assert b"connection: close" in await reader.readuntil(b"hi")
        assert await reader.read() == b""


async def test_who_connects_then_and_asks_nothing_is_not_waited_for() -> None:
    state = ServerState()
    async with connected(HEAD_SECONDS, state) as (reader, _):
        await stop(state)
        assert await reader.read() == b""


async def test_who_was_answered_before_is_sent_away() -> None:
    state = ServerState()
    async with connected(state=state) as (reader, writer):
        writer.write(HEAD + b"\r\n")
        await reader.readuntil(b"hi")
        await stop(state)
        assert await reader.read() == b""


@pytest.mark.parametrize("head", [b"X: " + b"a" * 20_000, b"X: y\r\n" * 5_000], ids=["long", "many"])
async def test_headers_without_end_are_refused(head: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(HEAD + head)
        assert (await reader.read()).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("begun", [b"", b"GET", HEAD])
async def test_a_request_that_does_not_come_is_not_waited_for(begun: bytes) -> None:
    async with connected(HEAD_SECONDS) as (reader, writer):
        writer.write(begun)
        assert await reader.read() == b""


async def test_the_second_request_is_not_waited_for_either() -> None:
    async with connected(HEAD_SECONDS) as (reader, writer):
        writer.write(HEAD.replace(b"/", b"/slow", 1) + b"\r\n")
        await reader.readuntil(b"hi")
        writer.write(HEAD)
        assert await reader.read() == b""
