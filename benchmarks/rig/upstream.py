"""A vendor that answers at once: `python -m benchmarks.rig.upstream PORT`. OpenAI's chat API on a raw protocol.

What it does is in the name of the model: `stream` in the body asks for `CHUNKS` events, all in one write, and
`paced-N` for N events a second apart, each with the moment it was sent (monotonic nanoseconds) as its text.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time

import uvloop

CHUNKS = 64
STREAMED = re.compile(rb'"stream": ?true')
PACED = re.compile(rb'"model": ?"paced-(\d+)"')
LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)
USAGE = b'"usage":{"prompt_tokens":20,"completion_tokens":64,"total_tokens":84}'
HEAD = b'"id":"chatcmpl-0123456789abcdef","created":1790000000,"model":"whatever"'
EVENTS_HEADERS = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(delta: bytes, reason: bytes = b"null") -> bytes:
    choice = b'"choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]' % (delta, reason)
    return b'data: {%b,"object":"chat.completion.chunk",%b,"usage":null}\n\n' % (HEAD, choice)


OPENING = event(b'{"role":"assistant","content":""}')
ENDING = event(b"{}", b'"stop"')
BILL = b'data: {%b,"object":"chat.completion.chunk","choices":[],%b}\n\ndata: [DONE]\n\n' % (HEAD, USAGE)
WORDS = event(b'{"content":" concord"}') * (CHUNKS - 3)
STREAM = EVENTS_HEADERS + chunked(OPENING + WORDS + ENDING + BILL) + chunked(b"")
WHOLE = (
    b'{%b,"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"%b"},'
    b'"logprobs":null,"finish_reason":"stop"}],%b}' % (HEAD, b"Concord is a town. " * 12, USAGE)
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(WHOLE), WHOLE)


class Vendor(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = bytearray()
        self._needed = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, _: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._needed:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = LENGTH.search(self._received, 0, end)
            self._needed = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) < self._needed:
            return
        request, self._received, self._needed = self._received, bytearray(), 0
        self._answer(request)

    def _answer(self, request: bytearray) -> None:
        paced = PACED.search(request, 0, 2000)
        if paced:
            self._transport.write(EVENTS_HEADERS + chunked(OPENING))
            self._pace(int(paced[1]))
        elif STREAMED.search(request, max(0, len(request) - 500)) or STREAMED.search(request, 0, 800):
            self._transport.write(STREAM)
        else:
            self._transport.write(ANSWER)

    def _pace(self, left: int) -> None:
        if not left:
            self._transport.write(chunked(ENDING + BILL) + chunked(b""))
            return
        self._transport.write(chunked(event(b'{"content":"@%d@"}' % time.monotonic_ns())))
        self._timer = asyncio.get_running_loop().call_later(1.0, self._pace, left - 1)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
