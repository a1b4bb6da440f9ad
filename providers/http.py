"""The way to every vendor: one pool of connections, by `aiohttp`, which is imported and opened on first need.

Cancelling a call closes its connection, so that a vendor stops work that nobody waits for; `pyreqwest`, faster with
whole answers, cannot do that. Redirects are not followed (they would carry our keys elsewhere), cookies are not kept
and proxies of the environment not used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from providers import trace_context
from providers.errors import BrokenAnswer, TimedOut, Unavailable
from providers.outbound import Outbound
from providers.sse import EventParser

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

LARGEST_ERROR_BYTES = 64 * 1024
DRAIN_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The first byte of a whole answer comes when a model has thought and written; `idle` is between two portions."""

    connect_seconds: float = 10.0
    first_byte_seconds: float = 600.0
    idle_seconds: float = 120.0


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
    _opened: ClientSession | None = field(default=None, init=False, repr=False)

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
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    @asynccontextmanager
    async def _call(self, url: str, headers: Mapping[str, str], body: bytes | None) -> AsyncIterator[StreamedAnswer]:
        """Without a body it is a GET."""
        session, method = self._session(), "GET" if body is None else "POST"
        headers = {**headers, **trace_context.passed_on()}
        if self.outbound is not None:
            self.outbound.check(url)
        with _faults():
            async with _deadline(self.timeouts.first_byte_seconds):
                response = await session.request(method, url, headers=headers, data=body, allow_redirects=False)
        try:
            yield StreamedAnswer(response, self.timeouts.idle_seconds)
        finally:
            response.close()

    def _session(self) -> ClientSession:
        if self._opened is None:
            import aiohttp

            resolver = None if self.outbound is None else self.outbound.resolver()
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect_seconds),
                headers={"User-Agent": "concordat"},
            )
        return self._opened


class StreamedAnswer:
    """`headers` have names in lower case."""

    def __init__(self, response: ClientResponse, idle_seconds: float) -> None:
        self._response = response
        self._idle_seconds = idle_seconds
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The data of each event up to the end of the body or `[DONE]`, which is not given out; nor is empty data."""
        parser = EventParser()
        while portion := await self._portion():
            for event in parser.feed(portion):
                if event == b"[DONE]":
                    await self._drain()
                    return
                if event:
                    yield event
        for event in parser.finish():
            if event not in (b"", b"[DONE]"):
                yield event

    async def read(self, largest_bytes: int = LARGEST_ERROR_BYTES) -> bytes:
        """The body, or as much of its start as is allowed."""
        portions: list[bytes] = []
        left = largest_bytes
        while left > 0 and (portion := await self._portion()):
            portions.append(portion)
            left -= len(portion)
        return b"".join(portions)[:largest_bytes]

    async def _portion(self) -> bytes:
        with _faults():
            async with _deadline(self._idle_seconds):
                return await self._response.content.readany()

    async def _drain(self) -> None:
        """Lets the vendor finish its body, so that the connection can be used again."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self._portion():
                    pass
        except (TimeoutError, Unavailable):
            pass


async def _whole(answer: StreamedAnswer, largest_bytes: int) -> Answer:
    content = await answer.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise BrokenAnswer("the provider's answer is too large")
    return Answer(answer.status, answer.headers, content)


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds) as timer:
            yield
    except TimeoutError as error:
        if not timer.expired():
            raise
        raise TimedOut(f"the provider sent nothing for {seconds:g} s") from error


@contextmanager
def _faults() -> Iterator[None]:
    import aiohttp

    try:
        yield
    except aiohttp.ServerTimeoutError as error:
        raise TimedOut("the provider did not answer in time") from error
    except aiohttp.ClientConnectorError as error:
        raise Unavailable("the provider cannot be reached") from error
    except (aiohttp.InvalidURL, ValueError) as error:
        raise Unavailable("the provider's address or headers are not valid") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Unavailable("the provider broke the connection") from error


_JSON = {"content-type": "application/json", "accept": "application/json"}
_SSE = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
