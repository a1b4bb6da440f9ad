"""What goes over the wire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from server.protocol import Protocol
from server.protocol.connection import HELD_BYTES, HELD_REQUESTS

PATIENCE_SECONDS = 20
MEBIBYTE = 1024 * 1024


class Bounded(Protocol):
    head_bytes = 10_000


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: ServerState

    def send(self, *lines: str, body: bytes = b"") -> None:
        self.writer.write("\r\n".join([*lines, "Host: here", "", ""]).encode("latin-1") + body)

    async def until(self, end: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readuntil(end)

    async def rest(self) -> bytes:
        """Until the server hangs up."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read()

    @property
    def connection(self) -> Any:
        (connection,) = self.state.connections
        return connection

    def cut(self) -> None:
        self.writer.transport.abort()


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def connected(app: Any, protocol: type[Bounded] = Bounded, **settings: Any) -> AsyncIterator[Client]:
    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None, **settings)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield Client(reader, writer, state)
    finally:
        writer.close()
        server.close()
        await eventually(lambda: not state.connections and not state.tasks)


async def start(send: Any, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def body(send: Any, content: bytes = b"", *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": more})


async def answer(send: Any, content: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await start(send, *headers, (b"content-length", b"%d" % len(content)), status=status)
    await body(send, content)


async def read(receive: Any) -> bytes:
    content = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        content += message["body"]
        if not message["more_body"]:
            return content


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The method, path and body."""
    content = await read(receive)
    await answer(send, b"<%b %b %b>" % (scope["method"].encode(), scope["path"].encode(), content))


async def stream(scope: Any, receive: Any, send: Any) -> None:
    await start(send)
    for _ in range(3):
        await body(send, b"ab", more=True)
    await body(send)


@dataclass
class Seen:
    """How far an application has come."""

    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    sent: int = 0
    told: list[str] = field(default_factory=list)
    received: int = 0


async def test_a_whole_answer_has_just_its_headers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"hi", (b"X-Kind", b"caf\xe9\tau lait"))

    async with connected(app) as client:
        client.send("GET / HTTP/1.1", "Connection: close")
        expected = b"date: today\r\nx-kind: caf\xe9\tau lait\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
        assert await client.rest() == b"HTTP/1.1 200 OK\r\n" + expected


async def test_a_whole_answer_is_one_write() -> None:
    written: list[bytes] = []

    class Noted(Bounded):
        def write(self, parts: Sequence[bytes], size_bytes: int) -> None:
            written.append(b"".join(parts))
            super().write(parts, size_bytes)

    async with connected(echo, Noted) as client:
        for path in (b"/a", b"/b"):
            client.send(f"GET {path.decode()} HTTP/1.1")
            told = await client.until(b"<GET %b >" % path)
            assert written.pop(0) == told
    assert written == []


async def test_what_is_sent_without_a_wait_is_one_chunk() -> None:
    async with connected(stream) as client:
        client.send("GET / HTTP/1.1")
        head = await client.until(b"\r\n\r\n")
        assert head.endswith(b"date: today\r\ntransfer-encoding: chunked\r\n\r\n")
        assert await client.until(b"0\r\n\r\n") == b"6\r\nababab\r\n0\r\n\r\n"


async def test_frames_with_a_wait_between_them_come_one_by_one() -> None:
    seen = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await seen.wait()
        await body(send, b"first", more=True)
        seen.clear()
        await seen.wait()
        await body(send, b"", more=True)
        await body(send, b"last")

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        await client.until(b"\r\n\r\n")
        seen.set()
        assert await client.until(b"first\r\n") == b"5\r\nfirst\r\n"
        seen.set()
        assert await client.until(b"0\r\n\r\n") == b"4\r\nlast\r\n0\r\n\r\n"


async def test_a_large_answer_comes_whole() -> None:
    content = bytes(range(256)) * 16 * 1024

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, content)

    async with connected(app) as client:
        client.send("GET / HTTP/1.1", "Connection: close")
        await client.until(b"\r\n\r\n")
        assert await client.rest() == content


async def test_pipelined_requests_are_answered_in_turn() -> None:
    running = most = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        await echo(scope, receive, send)

    async with connected(app) as client:
        count = 3 * HELD_REQUESTS
        client.writer.write(
            b"".join(b"POST /%d HTTP/1.1\r\nContent-Length: 2\r\n\r\n%02d" % (n, n) for n in range(count))
        )
        for n in range(count):
            assert (await client.until(b">")).endswith(b"<POST /%d %02d>" % (n, n))
    assert most == 1


async def test_a_chunked_request_is_read_and_its_trailers_are_no_headers() -> None:
    headers: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        headers.extend(name for name, _ in scope["headers"])

    async with connected(app) as client:
        client.send("POST /a HTTP/1.1", "Transfer-Encoding: chunked")
        client.writer.write(b"3\r\nabc\r\n")
        client.writer.write(b"5;hint=1\r\ndefgh\r\n0\r\nAuthorization: me\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
        assert (await client.until(b">")).endswith(b"<POST /a abcdefgh>")
        assert (await client.until(b">")).endswith(b"<GET /b >")
    assert b"authorization" not in headers


async def test_trailers_without_end_are_refused() -> None:
    async with connected(echo) as client:
        client.send("POST /a HTTP/1.1", "Transfer-Encoding: chunked", body=b"0\r\n")
        await eventually(lambda: client.state.tasks)
        client.writer.write(b"X: y\r\n" * 5000)
        assert (await client.until(b"\r\n")) == b"HTTP/1.1 400 Bad Request\r\n"


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_who_waits_for_a_word_gets_it_once_the_body_is_wanted(version: str) -> None:
    async with connected(echo) as client:
        client.send(f"POST / HTTP/{version}", "Expect: 100-continue", "Content-Length: 2")
        if version == "1.1":
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(b"ab")
        assert (await client.until(b">")).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("body", [b"", b"ab"])
async def test_who_need_not_wait_for_a_word_gets_it_all_the_same(body: bytes) -> None:
    async with connected(echo) as client:
        client.send("POST / HTTP/1.1", "Expect: 100-continue", f"Content-Length: {len(body)}", body=body)
        told = await client.until(b">")
        assert told.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_who_waits_for_a_word_in_vain_gets_the_answer_alone() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", (b"connection", b"close"), status=413)

    async with connected(app) as client:
        client.send("POST / HTTP/1.1", "Expect: 100-continue", "Content-Length: 2")
        assert (await client.rest()).startswith(b"HTTP/1.1 413 ")


async def test_an_answer_to_head_has_the_length_and_no_body() -> None:
    async with connected(echo) as client:
        client.send("HEAD /a HTTP/1.1")
        client.send("GET /b HTTP/1.1")
        told = await client.until(b"<GET /b >")
        assert told.count(b"HTTP/1.1 200 OK") == 2
        assert b"content-length: 10\r\n\r\nHTTP/1.1" in told


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_where_there_is_no_body_there_are_no_chunks(method: str, status: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send, status=status if scope["path"] == "/" else 200)
        await body(send)

    async with connected(app) as client:
        client.send(f"{method} / HTTP/1.1")
        assert (await client.until(b"\r\n\r\n")).endswith(b"\r\ndate: today\r\n\r\n")
        client.send("GET /next HTTP/1.1", "Connection: close")
        assert (await client.rest()).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("header", ["X: y", "Connection: keep-alive"])
async def test_the_end_of_a_connection_is_that_of_an_old_clients_answer(header: str) -> None:
    async with connected(stream) as client:
        client.send("GET / HTTP/1.0", header)
        assert await client.rest() == b"HTTP/1.1 200 OK\r\ndate: today\r\nconnection: close\r\n\r\nababab"


async def test_an_old_clients_answer_that_breaks_off_is_no_whole_one() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"half", more=True)
        await asyncio.sleep(0.01)
        raise ValueError

    async with connected(app) as client:
        client.send("GET / HTTP/1.0")
        with pytest.raises(ConnectionError):
            await client.rest()


async def test_an_application_may_end_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"bye", (b"Connection", b"Keep-Alive, Close"))

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        client.send("GET / HTTP/1.1")
        told = await client.rest()
        assert told.count(b"HTTP/1.1") == told.count(b"connection: ") == 1


async def test_what_is_not_received_is_not_read() -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await seen.may_go_on.wait()
        await answer(send, b"<%d>" % len(await read(receive)))

    async with connected(app) as client:
        size = 8 * MEBIBYTE
        client.send("POST / HTTP/1.1", f"Content-Length: {size}", body=b"x" * size)
        await eventually(lambda: client.state.connections and client.connection.is_paused)
        newest = client.connection._newest
        assert HELD_BYTES < newest.held_bytes < MEBIBYTE
        seen.may_go_on.set()
        assert (await client.until(b">")).endswith(b"<%d>" % size)


async def test_who_does_not_wait_for_answers_is_not_read_without_end() -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await seen.may_go_on.wait()
        await echo(scope, receive, send)

    async with connected(app) as client:
        for n in range(2 * HELD_REQUESTS):
            client.send(f"GET /{n} HTTP/1.1")
            await client.writer.drain()
        await eventually(lambda: client.state.connections and client.connection.is_paused)
        seen.may_go_on.set()
        await client.until(b"<GET /%d >" % (2 * HELD_REQUESTS - 1))
        assert not client.connection.is_paused


async def test_who_does_not_read_is_not_written_to_without_end() -> None:
    seen = Seen()

    def at_rest() -> bool:
        seen.received, before = seen.sent, seen.received
        return before == seen.sent

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        while seen.sent < 4096:
            await asyncio.sleep(0)
            await body(send, b"x" * 64 * 1024, more=True)
            seen.sent += 1

    async with connected(app) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.send("GET / HTTP/1.1")
        await eventually(lambda: client.state.connections and client.connection.blocked is not None and at_rest())
        assert 0 < seen.sent < 4096
        client.cut()
        await eventually(lambda: not client.state.connections)


async def test_an_application_that_waits_for_the_client_is_told_that_it_is_gone() -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read(receive)
        seen.told.append("read")
        seen.told.append((await receive())["type"])
        await answer(send, b"to nobody")

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        await eventually(lambda: seen.told)
        client.cut()
        await eventually(lambda: seen.told == ["read", "http.disconnect"])


async def test_the_application_is_told_although_another_request_waits() -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read(receive)
        seen.told.append(scope["path"])
        seen.told.append((await receive())["type"])

    async with connected(app) as client:
        client.send("GET /a HTTP/1.1")
        client.send("GET /b HTTP/1.1")
        await eventually(lambda: seen.told)
        client.cut()
        await eventually(lambda: seen.told == ["/a", "http.disconnect"])


async def test_a_client_that_is_gone_in_the_middle_of_its_body_is_told_of() -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            seen.received += len(message["body"])
        seen.told.append(message["type"])

    async with connected(app) as client:
        client.send("POST / HTTP/1.1", "Content-Length: 10", body=b"abc")
        await eventually(lambda: seen.received == 3)
        client.cut()
        await eventually(lambda: seen.told == ["http.disconnect"])


async def test_after_its_answer_an_application_is_not_kept_waiting() -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"hi")
        seen.told.append((await receive())["type"])

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        await eventually(lambda: seen.told == ["http.disconnect"])


async def test_what_is_left_of_a_body_is_no_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, scope["path"].encode() + b">")

    async with connected(app) as client:
        client.send("POST /a HTTP/1.1", "Content-Length: 24", body=b"GET")
        await client.until(b"/a>")
        client.writer.write(b" /smuggled HTTP/1.1\r\n")
        client.send("GET /b HTTP/1.1", "Connection: close")
        told = await client.rest()
        assert told.endswith(b"/b>")
        assert b"smuggled" not in told


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nA B: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n",
        b"GET /\xe9 HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT there:443 HTTP/1.1\r\n\r\n",
    ],
)
async def test_garbage_is_refused(garbage: bytes) -> None:
    async with connected(echo) as client:
        client.writer.write(garbage)
        told = await client.rest()
        assert told.startswith(b"HTTP/1.1 400 Bad Request\r\ndate: today\r\n")
        assert told.endswith(b"connection: close\r\n\r\nInvalid HTTP request received.")


@pytest.mark.parametrize(
    "behind", [b"what?\r\n", b"2\r\nab\r\nwhat?" + b"x" * 20_000, b"0\r\nX: " + b"x" * 20_000 + b"\r\n y\r\n\r\n"]
)
async def test_garbage_behind_a_request_does_not_take_its_answer(behind: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.02)
        await echo(scope, receive, send)

    async with connected(app) as client:
        client.send("GET /a HTTP/1.1")
        client.send("POST /b HTTP/1.1", "Transfer-Encoding: chunked", body=behind)
        told = await client.rest()
        assert told.index(b"<GET /a >") < told.index(b"HTTP/1.1 400 ")
        assert told.count(b"HTTP/1.1") == 2


@pytest.mark.parametrize("has_begun", [False, True])
async def test_garbage_in_a_body_ends_its_request(has_begun: bool) -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if has_begun:
            await start(send)
            await body(send, b"begun", more=True)
        while (message := await receive())["type"] == "http.request":
            seen.received += len(message["body"])
        seen.told.append(message["type"])

    async with connected(app) as client:
        client.send("POST / HTTP/1.1", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n")
        await eventually(lambda: seen.received == 3)
        client.writer.write(b"what?\r\n")
        assert (await client.rest()).count(b"HTTP/1.1") == 1
        await eventually(lambda: seen.told == ["http.disconnect"])


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nset-cookie: me"),
        (b"x", b"a\nset-cookie: me"),
        (b"x", b"a\x00"),
        (b"x\r\nset-cookie", b"me"),
        (b"set cookie", b"me"),
        (b"set-cookie:", b"me"),
        (b"", b"me"),
    ],
)
async def test_a_header_cannot_bring_another(header: tuple[bytes, bytes]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"hi", (b"y", b"z"), header)

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        told = await client.rest()
        assert told.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert b"me" not in told


async def test_an_application_that_fails_is_answered_for_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("oh")

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        told = await client.rest()
        assert told.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert told.endswith(b"connection: close\r\n\r\nInternal Server Error")
    (logged,) = [record for record in caplog.records if record.exc_info]
    assert (logged.name, logged.message) == ("uvicorn.error", "Exception in ASGI application\n")


async def test_an_application_that_says_nothing_is_answered_for() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await read(receive)

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        assert (await client.rest()).startswith(b"HTTP/1.1 500 ")


@pytest.mark.parametrize("header", [(b"x", b"y"), (b"content-length", b"10")])
async def test_an_answer_that_breaks_off_has_no_end(header: tuple[bytes, bytes]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send, header)
        await body(send, b"half", more=True)
        raise ValueError

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        told = await client.rest()
        assert b"half" in told
        assert not told.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("length", [3, 5])
async def test_an_answer_of_another_length_is_cut(length: int) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await start(send, (b"content-length", b"4"))
        await body(send, b"x" * length)

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        assert len((await client.rest()).partition(b"\r\n\r\n")[2]) < 4


async def test_nothing_follows_an_answer_that_is_whole() -> None:
    errors: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"hi")
        for again in (start, body):
            try:
                await again(send)
            except RuntimeError as error:
                errors.append(str(error))

    async with connected(app) as client:
        client.send("GET / HTTP/1.1")
        await client.until(b"hi")
        await eventually(lambda: len(errors) == 2)


async def test_another_protocol_is_not_spoken() -> None:
    async with connected(echo) as client:
        client.send("GET /a HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        assert (await client.until(b"<GET /a >")).startswith(b"HTTP/1.1 200 OK\r\n")
        client.send("POST /b HTTP/1.1", "Connection: Upgrade", "Upgrade: h2c", "Content-Length: 4", body=b"bo")
        client.writer.write(b"dy")
        client.send("GET /c HTTP/1.1", "Connection: Upgrade, close", "Upgrade: h2c")
        told = await client.rest()
        assert b"<POST /b body>" in told
        assert b"<GET /c >" in told


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/a%2Fb%C3%A9?x=%20&y", "/a/b\u00e9", b"/a%2Fb%C3%A9", b"x=%20&y"),
        ("//a", "//a", b"//a", b""),
        ("/a#b?c", "/a", b"/a", b""),
        ("http://there:80/a?b=c", "/a", b"/a", b"b=c"),
        ("http://there", "/", b"/", b""),
        ("*", "*", b"*", b""),
    ],
)
async def test_an_application_knows_what_is_asked_for(target: str, path: str, raw_path: bytes, query: bytes) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await answer(send, b"hi")

    async with connected(app) as client:
        client.send(f"OPTIONS {target} HTTP/1.1", "X-Kind: One", "x-kind: Two")
        await client.until(b"hi")
        own = client.writer.get_extra_info("sockname")
    (scope,) = scopes
    assert (scope["method"], scope["http_version"], scope["scheme"]) == ("OPTIONS", "1.1", "http")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)
    assert scope["headers"] == [(b"x-kind", b"One"), (b"x-kind", b"Two"), (b"host", b"here")]
    assert (scope["client"], scope["server"][0]) == (own, "127.0.0.1")


async def test_what_one_request_sets_in_its_context_the_next_does_not_see() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nothing")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, variable.get().encode() + b">")
        variable.set(scope["path"])

    async with connected(app) as client:
        for _ in range(2):
            client.send("GET /set HTTP/1.1")
            assert (await client.until(b">")).endswith(b"nothing>")


async def test_a_connection_that_rests_too_long_is_closed() -> None:
    async with connected(echo, timeout_keep_alive=1) as client:
        for path in ("/a", "/b"):
            client.send(f"GET {path} HTTP/1.1")
            await client.until(b">")
        assert await client.rest() == b""


async def test_a_connection_does_not_rest_while_it_is_answered() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1.5)
        await echo(scope, receive, send)

    async with connected(app, timeout_keep_alive=1) as client:
        client.send("GET /a HTTP/1.1")
        await client.until(b"<GET /a >")


async def test_who_is_answered_when_the_server_stops_gets_what_was_asked_for() -> None:
    seen = Seen()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await seen.may_go_on.wait()
        await echo(scope, receive, send)

    async with connected(app) as client:
        client.send("GET /a HTTP/1.1")
        client.send("GET /b HTTP/1.1")
        await eventually(lambda: client.state.tasks and len(client.connection._queue) == 1)
        client.connection.shutdown()
        seen.may_go_on.set()
        first, second = (await client.rest()).split(b"<GET /a >")
        assert b"connection: close" not in first
        assert b"connection: close" in second


async def test_requests_are_logged_where_that_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    async with connected(echo) as client:
        client.send("GET /a%20b?c=d HTTP/1.1")
        await client.until(b">")
        host, port = client.writer.get_extra_info("sockname")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "uvicorn.access"]
    assert line == f'{host}:{port} - "GET /a%20b?c=d HTTP/1.1" 200'
