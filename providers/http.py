"""The way to every vendor: whole answers by `pyreqwest`, streams by `aiohttp`, each the fastest at its part.

Both are imported and opened on first need. Redirects are not followed (they would carry our keys elsewhere), cookies
are not kept and proxies of the environment not used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from providers.errors import BrokenAnswer, TimedOut, Unavailable
from providers.sse import EventParser

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from pyreqwest.client import Client

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
    """Raises only `providers.errors`: `TimedOut`, `Unavailable`, and `BrokenAnswer` for more than the limit."""

    timeouts: Timeouts = Timeouts()
    largest_answer_bytes: int = 64 * 1024 * 1024
    _whole: Client | None = field(default=None, init=False, repr=False)
    _streaming: ClientSession | None = field(default=None, init=False, repr=False)

    async def post_json(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        client = self._client()
        with _faults_of_whole():
            request = client.post(url).headers({**_JSON, **headers}).body_bytes(body).build_streamed()
            async with _deadline(self.timeouts.first_byte_seconds):
                response = await request.__aenter__()
            try:
                content = await self._read(response.body_reader)
            finally:
                await request.__aexit__(None, None, None)
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    @asynccontextmanager
    async def stream(self, url: str, headers: Mapping[str, str], body: bytes) -> AsyncIterator[StreamedAnswer]:
        """Enters when the status is known. Leaving early aborts the vendor's call."""
        session = self._session()
        with _faults_of_stream():
            async with _deadline(self.timeouts.first_byte_seconds):
                response = await session.post(url, headers={**_SSE, **headers}, data=body, allow_redirects=False)
        try:
            yield StreamedAnswer(response, self.timeouts.idle_seconds)
        finally:
            response.close()

    async def close(self) -> None:
        whole, self._whole = self._whole, None
        streaming, self._streaming = self._streaming, None
        if whole is not None:
            await whole.close()
        if streaming is not None:
            await streaming.close()

    def _client(self) -> Client:
        if self._whole is None:
            from pyreqwest.client import ClientBuilder

            builder = ClientBuilder().follow_redirects(False).no_proxy().user_agent("concordat").referer(False)
            self._whole = builder.connect_timeout(timedelta(seconds=self.timeouts.connect_seconds)).build()
        return self._whole

    def _session(self) -> ClientSession:
        if self._streaming is None:
            import aiohttp

            self._streaming = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect_seconds),
                headers={"User-Agent": "concordat"},
            )
        return self._streaming

    async def _read(self, reader: Any) -> bytes:
        portions: list[bytes] = []
        size = 0
        while True:
            async with _deadline(self.timeouts.idle_seconds):
                portion = await reader.read_chunk()
            if portion is None:
                return b"".join(portions)
            size += len(portion)
            if size > self.largest_answer_bytes:
                raise BrokenAnswer("the provider's answer is too large")
            portions.append(portion)


class StreamedAnswer:
    """`headers` have names in lower case."""

    def __init__(self, response: ClientResponse, idle_seconds: float) -> None:
        self._response = response
        self._idle_seconds = idle_seconds
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The data of each event up to the end of the body or `[DONE]`, which is not given out."""
        parser = EventParser()
        while portion := await self._portion():
            for event in parser.feed(portion):
                if event.strip() == b"[DONE]":
                    await self._drain()
                    return
                yield event
        for event in parser.finish():
            if event.strip() != b"[DONE]":
                yield event

    async def read(self, largest_bytes: int = LARGEST_ERROR_BYTES) -> bytes:
        """The body, or as much of its start as is allowed."""
        content = b""
        while len(content) < largest_bytes and (portion := await self._portion()):
            content += portion
        return content[:largest_bytes]

    async def _portion(self) -> bytes:
        with _faults_of_stream():
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


@asynccontextmanager
async def _deadline(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise TimedOut(f"the provider sent nothing for {seconds:g} s") from error


@contextmanager
def _faults_of_whole() -> Iterator[None]:
    from pyreqwest import exceptions

    try:
        yield
    except exceptions.RequestTimeoutError as error:
        raise TimedOut("the provider did not answer in time") from error
    except exceptions.ConnectError as error:
        raise Unavailable("the provider cannot be reached") from error
    except exceptions.BuilderError as error:
        raise Unavailable("the provider's address or headers are not valid") from error
    except exceptions.DecodeError as error:
        raise BrokenAnswer("the provider's answer cannot be decoded") from error
    except exceptions.PyreqwestError as error:
        raise Unavailable("the provider broke the connection") from error


@contextmanager
def _faults_of_stream() -> Iterator[None]:
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
