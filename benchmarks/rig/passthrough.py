"""The least that a gateway in Python can do: `python -m benchmarks.rig.passthrough PORT UPSTREAM`.

Starlette hands the body on as it came, whole answers by pyreqwest and streams by aiohttp, the fastest of each kind.
"""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from pyreqwest.client import Client, ClientBuilder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

STREAMED = re.compile(rb'"stream": ?true')
JSON = {"content-type": "application/json"}


class Passthrough:
    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client
        self._session: aiohttp.ClientSession

    @asynccontextmanager
    async def open(self, _: Starlette) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as self._session, ClientBuilder().build() as self._client:
            yield

    async def chat(self, request: Request) -> Response:
        body = await request.body()
        if STREAMED.search(body):
            answer = await self._session.post(self._url, data=body, headers=JSON)
            return StreamingResponse(self._relay(answer), media_type="text/event-stream")
        built = self._client.post(self._url).headers(JSON).body_bytes(body).build()
        whole = await built.send()
        return Response(bytes(await whole.bytes()), whole.status, media_type="application/json")

    async def _relay(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        async with answer:
            async for portion in answer.content.iter_any():
                yield portion


def app(upstream: str) -> Starlette:
    gateway = Passthrough(upstream)
    return Starlette(
        routes=[Route("/v1/chat/completions", gateway.chat, methods=["POST"])],
        lifespan=gateway.open,
    )


if __name__ == "__main__":
    uvicorn.run(
        app(f"http://127.0.0.1:{sys.argv[2]}/v1/chat/completions"),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        backlog=4096,
    )
