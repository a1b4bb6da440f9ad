"""A vendor on loopback that answers what a test tells it, byte for byte."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson


@dataclass(frozen=True)
class Reply:
    """`portions` are written one by one, as one chunk of the transfer each. `after` is what happens then; with
    `before` set to `stall` not even the status is sent."""

    portions: list[bytes] = field(default_factory=list)
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    before: Literal["answer", "stall"] = "answer"
    after: Literal["end", "cut", "stall"] = "end"


@dataclass(frozen=True)
class Seen:
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def streamed(self) -> bool:
        return isinstance(self.body, dict) and bool(self.body.get("stream"))


class FakeVendor:
    """Answers with the replies of `first`, one by one; then with what `choose` says if it is set; then a body with
    `"stream": true` with `streamed_reply` if there is one, and everything else with `reply`. What follows an answer's
    first portion waits for `released`.

    `asked` is set by a request, `gone` when a client breaks a connection on which an answer is under way, `empty` as
    long as there was a connection and none is left. `busy` counts the answers under way."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.streamed_reply: Reply | None = None
        self.first: list[Reply] = []
        self.choose: Callable[[Seen], Reply] | None = None
        self.released = threading.Event()
        self.released.set()
        self.seen: list[Seen] = []
        self.gone = asyncio.Event()
        self.connections = 0
        self.busy = 0
        self.tasks: set[asyncio.Task[Any]] = set()
        self.accepted = 0
        self.asked = asyncio.Event()
        self.empty = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FakeVendor]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self.tasks.add(task)
            self.connections += 1
            self.accepted += 1
            self.empty.clear()
            try:
                while await self._exchange(reader, writer):
                    pass
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()
                self.connections -= 1
                if not self.connections:
                    self.empty.set()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            await server.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False when the connection is to be closed."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append(Seen(head[0].split(" ")[1], headers, orjson.loads(body) if body else None))
        self.asked.set()
        self.busy += 1
        try:
            return await self._answer(self._reply_to(self.last), reader, writer)
        finally:
            self.busy -= 1

    def _reply_to(self, seen: Seen) -> Reply:
        if self.first:
            return self.first.pop(0)
        chosen = None if self.choose is None else self.choose(seen)
        return chosen or (self.streamed_reply if seen.streamed else None) or self.reply

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if reply.before == "stall":
            return await self._stall(reader)
        lines = {"content-type": reply.content_type, "transfer-encoding": "chunked", **reply.headers}
        writer.write(f"HTTP/1.1 {reply.status} Said\r\n".encode())
        writer.write("".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\n")
        try:
            await self._write(reply.portions, writer)
        except ConnectionError:
            self.gone.set()
            raise
        if reply.after == "stall":
            return await self._stall(reader)
        if reply.after == "cut":
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _write(self, portions: Sequence[bytes], writer: asyncio.StreamWriter) -> None:
        for portion in portions:
            writer.write(f"{len(portion):x}\r\n".encode() + portion + b"\r\n")
            await writer.drain()
            if not self.released.is_set():
                await asyncio.to_thread(self.released.wait)

    async def _stall(self, reader: asyncio.StreamReader) -> bool:
        """Until the client goes."""
        while await reader.read(1024):
            pass
        self.gone.set()
        return False


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply([orjson.dumps(value)], status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def sse_reply(events: list[bytes], after: Literal["end", "cut", "stall"] = "end") -> Reply:
    return Reply(events, content_type="text/event-stream", after=after)
