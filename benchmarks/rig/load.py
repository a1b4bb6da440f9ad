"""Clients that ask without a pause, on a raw protocol: `python -m benchmarks.rig.load`, a JSON `Spec` on its input.

Prints a JSON object: `requests`, `seconds`, `failures`, `took_ms` and `first_ms` (to the first event) as percentiles,
and `events`. With `paced` it opens as many streams as it has clients and prints the delays of their events.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

LENGTH = re.compile(rb"content-length: ?(\d+)", re.IGNORECASE)
SENT = re.compile(rb"@(\d+)@")
TEXT = "The quick brown fox jumps over the lazy dog, and nobody minds. "
CONNECTS_A_SECOND = 400


@dataclass
class Spec:
    """`prompt_bytes` is the length of the one message of `body`, if it is a chat."""

    port: int
    path: str
    key: str = ""
    method: str = "POST"
    body: dict[str, Any] | None = None
    prompt_bytes: int = 0
    clients: int = 1
    seconds: float = 2.0
    streamed: bool = False
    paced: bool = False

    def request(self) -> bytes:
        content = b""
        if self.body is not None:
            body = dict(self.body)
            if self.prompt_bytes:
                text = TEXT * (self.prompt_bytes // len(TEXT) + 1)
                body["messages"] = [{"role": "user", "content": text[: self.prompt_bytes]}]
            content = json.dumps(body, separators=(",", ":")).encode()
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            "host: localhost",
            f"authorization: Bearer {self.key}",
            "content-type: application/json",
            "accept: */*",
            "user-agent: benchmark",
            f"content-length: {len(content)}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@dataclass
class Tally:
    measuring: bool = False
    stopping: bool = False
    took: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    events: int = 0
    failures: int = 0
    fault: str = ""

    def fail(self, received: bytes) -> None:
        self.failures += 1
        self.fault = self.fault or received[:600].decode("latin-1")


class Client(asyncio.Protocol):
    def __init__(self, spec: Spec, request: bytes, tally: Tally) -> None:
        self._spec, self._request, self._tally = spec, request, tally
        self._received: list[bytes] = []
        self._needed = self._size = 0
        self._first_at = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.ended.done():
            if not self._tally.stopping:
                self._tally.fail(b"".join(self._received) or b"the connection broke")
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._received, self._needed, self._size, self._first_at = [], 0, 0, 0.0
        self._began_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._spec.paced:
            self._look(data)
            return
        self._received.append(data)
        self._size += len(data)
        if not self._first_at and b"data: " in data:
            self._first_at = time.perf_counter()
        if self._spec.streamed:
            refused = len(self._received) == 1 and not data.startswith(b"HTTP/1.1 200")
            if refused or data.endswith(b"0\r\n\r\n"):  # which may come by itself
                self._complete()
            return
        if not self._needed:
            head = b"".join(self._received)
            end = head.find(b"\r\n\r\n")
            length = LENGTH.search(head, 0, end)
            if end < 0 or length is None:
                return
            self._needed = end + 4 + int(length[1])
        if self._size >= self._needed:
            self._complete()

    def _look(self, data: bytes) -> None:
        """Events of paced streams are small: one is never in two reads."""
        now = time.monotonic_ns()
        for sent in SENT.findall(data):
            if self._tally.measuring:
                self._tally.delays.append((now - int(sent)) / 1e6)
        if b"HTTP/1.1" in data and b"HTTP/1.1 200" not in data:
            self._tally.fail(data)
        if data.endswith(b"0\r\n\r\n") or self._tally.stopping:
            if not self.ended.done():
                self.ended.set_result(None)
            self._transport.close()

    def _complete(self) -> None:
        tally, now = self._tally, time.perf_counter()
        if not self._received[0].startswith(b"HTTP/1.1 200"):
            tally.fail(b"".join(self._received))
        elif tally.measuring:
            tally.took.append((now - self._began_at) * 1000)
            if self._spec.streamed:
                tally.first.append((self._first_at - self._began_at) * 1000)
                tally.events += b"".join(self._received).count(b"data: ")
        if tally.stopping:
            self.ended.set_result(None)
            self._transport.close()
        else:
            self._ask()


async def run(spec: Spec) -> dict[str, Any]:
    loop, tally, request = asyncio.get_running_loop(), Tally(), spec.request()
    clients: list[Client] = []
    for number in range(spec.clients):
        _, client = await loop.create_connection(lambda: Client(spec, request, tally), "127.0.0.1", spec.port)
        clients.append(client)
        if spec.paced and number % 20 == 0:
            await asyncio.sleep(20 / CONNECTS_A_SECOND)
    await asyncio.sleep(2.0 if spec.paced else 0.3)
    tally.measuring = True
    print("measuring", flush=True)
    began = time.perf_counter()
    await asyncio.sleep(spec.seconds)
    seconds = time.perf_counter() - began
    tally.measuring, tally.stopping = False, True
    print("measured", flush=True)
    await asyncio.wait([client.ended for client in clients], timeout=5)
    return {
        "requests": len(tally.took),
        "seconds": seconds,
        "events": tally.events or len(tally.delays),
        "failures": tally.failures,
        "fault": tally.fault,
        "took_ms": percentiles(tally.took),
        "first_ms": percentiles(tally.first),
        "delay_ms": percentiles(tally.delays),
    }


def percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {"p50": 0.0, "p99": 0.0}
    ordered = sorted(values)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(Spec(**json.load(sys.stdin))))))
