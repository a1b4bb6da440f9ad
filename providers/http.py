"""The way to every vendor: connections that are kept open, of our own making (`providers/connection.py`).

Leaving a call early closes its connection, so that a vendor stops work that nobody waits for. Redirects are not
followed (they would carry our keys elsewhere), cookies are not kept and proxies of the environment not used.
"""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from providers import trace_context
from providers.connection import Connection
from providers.errors import BrokenAnswer, TimedOut, Unavailable
from providers.outbound import Outbound, resolve_by_system
from providers.sse import EventParser

if TYPE_CHECKING:
    from ssl import SSLContext

LARGEST_ERROR_BYTES = 64 * 1024
DRAIN_SECONDS = 0.25
KEPT_SECONDS = 15.0
"""How long a connection waits for another request: less than vendors keep theirs open."""
NEXT_ADDRESS_SECONDS = 0.25
"""RFC 8305: after so long another of a host's addresses is tried as well."""
ADDRESSES_KNOWN = 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The first byte of a whole answer comes when a model has thought and written; `idle` is between two portions."""

    connect_seconds: float = 10.0
    first_byte_seconds: float = 600.0
    idle_seconds: float = 120.0


class Origin(NamedTuple):
    """Whom a connection leads to."""

    host: str
    port: int
    secure: bool


class Address(NamedTuple):
    """`target` and `fields` are as the request's head has them."""

    origin: Origin
    target: str
    fields: str


class Answer(NamedTuple):
    """A whole HTTP answer of any status; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class HttpClient:
    """Raises only `providers.errors`: `TimedOut`, `Unavailable`, and `BrokenAnswer` for more than the limit.

    With `outbound` every address is held to it, and one that is not allowed raises `Refused`; without, addresses are
    the operator's own."""

    timeouts: Timeouts = Timeouts()
    largest_answer_bytes: int = 64 * 1024 * 1024
    outbound: Outbound | None = None
    _idle: dict[Origin, list[Connection]] = field(default_factory=dict, init=False, repr=False)
    _sweep: asyncio.TimerHandle | None = field(default=None, init=False, repr=False)
    _tls: SSLContext | None = field(default=None, init=False, repr=False)

    async def post_json(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        async with self._call(url, {**_JSON, **headers}, body) as answer:
            return await _whole(answer, self.largest_answer_bytes)

    async def get(self, url: str, headers: Mapping[str, str], largest_bytes: int | None = None) -> Answer:
        async with self._call(url, headers, None) as answer:
            return await _whole(answer, self.largest_answer_bytes if largest_bytes is None else largest_bytes)

    def stream(self, url: str, headers: Mapping[str, str], body: bytes) -> AbstractAsyncContextManager[StreamedAnswer]:
        """Enters when the status is known. Leaving early aborts the vendor's call."""
        return self._call(url, {**_SSE, **headers}, body)

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in [one for kept in self._idle.values() for one in kept]:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # they end in the loop's next turn

    def _call(self, url: str, headers: Mapping[str, str], body: bytes | None) -> _Call:
        """Without a body it is a GET."""
        return _Call(self, url, headers, body)

    def kept(self, origin: Origin) -> Connection | None:
        """One that waits for a request."""
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            if connection.fit:
                return connection
            connection.close()
        return None

    async def connect(self, origin: Origin) -> Connection:
        try:
            async with asyncio.timeout(self.timeouts.connect_seconds):
                return await self._connect(origin)
        except TimeoutError as error:
            raise TimedOut("the provider did not answer in time") from error
        except (OSError, UnicodeError) as error:
            raise Unavailable("the provider cannot be reached") from error

    def give_back(self, origin: Origin, connection: Connection) -> None:
        if not connection.reusable:
            connection.close()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweep is None:
            self._sweep = loop.call_later(KEPT_SECONDS, self._close_idle)

    async def _connect(self, origin: Origin) -> Connection:
        import aiohappyeyeballs

        host, port, secure = origin
        resolve = resolve_by_system if self.outbound is None else self.outbound.addresses
        found = _address_infos(await resolve(host, port), port)
        sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self._secured() if secure else None
        name = host.rstrip(".") if secure else None
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, sock=sock, ssl=tls, server_hostname=name)
        return connection

    def _secured(self) -> SSLContext:
        import ssl

        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    def _close_idle(self) -> None:
        self._sweep = None
        loop = asyncio.get_running_loop()
        for origin, kept in list(self._idle.items()):
            fresh = [one for one in kept if one.reusable and loop.time() - one.idle_since < KEPT_SECONDS]
            for connection in kept:
                if connection not in fresh:
                    connection.close()
            if fresh:
                self._idle[origin] = fresh
            else:
                del self._idle[origin]
        if self._idle:
            self._sweep = loop.call_later(KEPT_SECONDS, self._close_idle)


class _Call:
    """`async with` sends the request and enters with the answer's head. What is left of the answer is not waited for:
    its connection is closed.

    A vendor may close a kept connection just when it is used again. A GET is then sent once more (RFC 9110, 9.2.2);
    not a POST, as nobody knows whether the vendor has begun with it."""

    __slots__ = ("_body", "_client", "_connection", "_headers", "_origin", "_url")

    def __init__(self, client: HttpClient, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        self._client = client
        self._url = url
        self._headers = headers
        self._body = body
        self._connection: Connection | None = None
        self._origin: Origin | None = None

    async def __aenter__(self) -> StreamedAnswer:
        client, body = self._client, self._body
        if client.outbound is not None:
            client.outbound.check(self._url)
        self._origin, target, fields = _address(self._url)
        head = _head("GET" if body is None else "POST", target, fields, self._headers, body)
        connection = client.kept(self._origin) or await client.connect(self._origin)
        try:
            status, headers = await self._ask(connection, head)
        except Unavailable:
            if body is not None or not connection.stale:
                raise
            connection = await client.connect(self._origin)
            status, headers = await self._ask(connection, head)
        self._connection = connection
        return StreamedAnswer(status, headers, connection, client.timeouts.idle_seconds)

    async def _ask(self, connection: Connection, head: bytes) -> tuple[int, Mapping[str, str]]:
        try:
            connection.begin(head, self._body or b"")
            return await connection.head(self._client.timeouts.first_byte_seconds)
        except BaseException:
            connection.close()
            raise

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None and self._origin is not None:
            self._client.give_back(self._origin, self._connection)


class StreamedAnswer:
    """`headers` have names in lower case."""

    def __init__(self, status: int, headers: Mapping[str, str], connection: Connection, idle_seconds: float) -> None:
        self.status = status
        self.headers = headers
        self._connection = connection
        self._idle_seconds = idle_seconds

    async def events(self) -> AsyncGenerator[list[bytes], None]:
        """The data of the events that came together, up to the end of the body or `[DONE]`, which is not given out; nor
        is empty data."""
        parser = EventParser()
        while portion := await self._connection.portion(self._idle_seconds):
            events = parser.feed(portion)
            if b"" in events:
                events = [event for event in events if event]
            if b"[DONE]" in events:
                yield events[: events.index(b"[DONE]")]
                await self._drain()
                return
            if events:
                yield events
        yield [event for event in parser.finish() if event not in (b"", b"[DONE]")]

    async def read(self, largest_bytes: int = LARGEST_ERROR_BYTES) -> bytes:
        """The body, or as much of its start as is allowed."""
        portions: list[bytes] = []
        left = largest_bytes
        while left > 0 and (portion := await self._connection.portion(self._idle_seconds)):
            portions.append(portion)
            left -= len(portion)
        if left > 0 and len(portions) == 1:
            return portions[0]
        return b"".join(portions)[:largest_bytes]

    async def _drain(self) -> None:
        """Lets the vendor finish its body, so that the connection can be used again."""
        if self._connection.complete:
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self._connection.portion(self._idle_seconds):
                    pass
        except (TimeoutError, Unavailable):
            pass


async def _whole(answer: StreamedAnswer, largest_bytes: int) -> Answer:
    content = await answer.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise BrokenAnswer("the provider's answer is too large")
    return Answer(answer.status, answer.headers, content)


@lru_cache(maxsize=ADDRESSES_KNOWN)
def _address(url: str) -> Address:
    """Raises `Unavailable` for what is none."""
    from yarl import URL

    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except ValueError as error:
        raise Unavailable(INVALID) from error
    if parsed.scheme not in ("http", "https") or not host or not port:
        raise Unavailable(INVALID)
    fields = f"Host: {parsed.host_port_subcomponent}\r\nUser-Agent: concordat\r\n"
    if parsed.user is not None:
        credentials = b64encode(f"{parsed.user}:{parsed.password or ''}".encode()).decode()
        fields += f"Authorization: Basic {credentials}\r\n"
    return Address(Origin(host, port, parsed.scheme == "https"), parsed.raw_path_qs, fields)


def _head(method: str, target: str, fields: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Raises `Unavailable` for headers that would break out of their lines."""
    given = {**headers, **trace_context.passed_on()}
    lines = "".join([f"{name}: {value}\r\n" for name, value in given.items()])
    if lines.count("\n") != len(given) or lines.count("\r") != len(given) or "\0" in lines:
        raise Unavailable(INVALID)
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    try:
        return f"{method} {target} HTTP/1.1\r\n{fields}{lines}{length}\r\n".encode()
    except UnicodeEncodeError as error:
        raise Unavailable(INVALID) from error


def _address_infos(addresses: Sequence[str], port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    return [
        (
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
            "",
            (address, port),
        )
        for address in addresses
    ]


INVALID = "the provider's address or headers are not valid"
_JSON = {"content-type": "application/json", "accept": "application/json"}
_SSE = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
