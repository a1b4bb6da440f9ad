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


class Request(NamedTuple):
    """What is the same in every call of an address: `start` is the request's head without its trace and the length of
    its body. `traced` are headers of the operator's own that the trace of a call replaces."""

    origin: Origin
    start: bytes
    traced: Mapping[str, str]


class Answer(NamedTuple):
    """A whole HTTP answer of any status."""

    status: int
    fields: Mapping[bytes, bytes]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Names are in lower case."""
        return _decoded(self.fields)


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
        return await self.ask(self.prepare("POST", url, {**JSON, **headers}), body)

    async def get(self, url: str, headers: Mapping[str, str], largest_bytes: int | None = None) -> Answer:
        return await self.ask(self.prepare("GET", url, headers), None, largest_bytes)

    def stream(self, url: str, headers: Mapping[str, str], body: bytes) -> AbstractAsyncContextManager[StreamedAnswer]:
        return self.open(self.prepare("POST", url, {**SSE, **headers}), body)

    async def ask(self, request: Request, body: bytes | None, largest_bytes: int | None = None) -> Answer:
        """Without a body it is a GET."""
        largest = self.largest_answer_bytes if largest_bytes is None else largest_bytes
        connection = await self.begin(request, body)
        try:
            content = await connection.rest(self.timeouts.idle_seconds, largest + 1)
        finally:
            self.give_back(request.origin, connection)
        if len(content) > largest:
            raise BrokenAnswer("the provider's answer is too large")
        return Answer(connection.status, connection.fields, content)

    def open(self, request: Request, body: bytes) -> AbstractAsyncContextManager[StreamedAnswer]:
        """Enters when the status is known. Leaving early aborts the vendor's call."""
        return _Call(self, request, body)

    def prepare(self, method: str, url: str, headers: Mapping[str, str]) -> Request:
        """For any number of calls. Raises `Refused`, and `Unavailable` for headers that would break out of their
        lines."""
        if self.outbound is not None:
            self.outbound.check(url)
        origin, target, fields = _address(url)
        traced = {name: value for name, value in headers.items() if name in trace_context.NAMES}
        lines = _lines({name: value for name, value in headers.items() if name not in traced})
        return Request(origin, f"{method} {target} HTTP/1.1\r\n{fields}".encode() + lines, traced)

    async def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in [one for kept in self._idle.values() for one in kept]:
            connection.close()
        self._idle.clear()
        await asyncio.sleep(0)  # they end in the loop's next turn

    async def begin(self, request: Request, body: bytes | None) -> Connection:
        """Sends the request, without a body a GET, and answers when the head of its answer has come. The connection is
        to be given back.

        A vendor may close a kept connection just when it is used again. A GET is then sent once more (RFC 9110, 9.2.2);
        not a POST, as nobody knows whether the vendor has begun with it."""
        head = _head(request, body)
        connection = self.kept(request.origin) or await self.connect(request.origin)
        while True:
            try:
                connection.begin(head, body or b"")
                await connection.head(self.timeouts.first_byte_seconds)
                return connection
            except BaseException as error:
                connection.close()
                if body is not None or not isinstance(error, Unavailable) or not connection.stale:
                    raise
            connection = await self.connect(request.origin)

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
        connection.idle_since = connection.loop.time()
        kept = self._idle.get(origin)
        if kept is None:
            kept = self._idle[origin] = []
        kept.append(connection)
        if self._sweep is None:
            self._sweep = connection.loop.call_later(KEPT_SECONDS, self._close_idle)

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
    its connection is closed."""

    __slots__ = ("_body", "_client", "_connection", "_request")

    def __init__(self, client: HttpClient, request: Request, body: bytes) -> None:
        self._client = client
        self._request = request
        self._body = body
        self._connection: Connection | None = None

    async def __aenter__(self) -> StreamedAnswer:
        self._connection = await self._client.begin(self._request, self._body)
        return StreamedAnswer(self._connection, self._client.timeouts.idle_seconds)

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            self._client.give_back(self._request.origin, self._connection)


class StreamedAnswer:
    """Its body is still to come."""

    def __init__(self, connection: Connection, idle_seconds: float) -> None:
        self.status = connection.status
        self.fields = connection.fields
        self._connection = connection
        self._idle_seconds = idle_seconds

    @property
    def headers(self) -> dict[str, str]:
        """Names are in lower case."""
        return _decoded(self.fields)

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
        return await self._connection.rest(self._idle_seconds, largest_bytes)

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


def _lines(headers: Mapping[str, str]) -> bytes:
    """Raises `Unavailable` for headers that would break out of their lines."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise Unavailable(INVALID)
    try:
        return lines.encode()
    except UnicodeEncodeError as error:
        raise Unavailable(INVALID) from error


def _head(request: Request, body: bytes | None) -> bytes:
    traced = trace_context.passed_on()
    if request.traced:
        traced = {**request.traced, **traced}
    trace = _lines(traced) if traced else b""
    if body is None:
        return b"%b%b\r\n" % (request.start, trace)
    return b"%b%bContent-Length: %d\r\n\r\n" % (request.start, trace, len(body))


def _decoded(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("utf-8", "surrogateescape") for name, value in fields.items()}


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
JSON = {"content-type": "application/json", "accept": "application/json"}
SSE = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
