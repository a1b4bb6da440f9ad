"""What recording costs, and content capture on top of it: `python -m benchmarks.recording`.

The servers run side by side and are measured in short turns, one after the other, so that what else the machine does
hits them alike: the cost is the median of the turns' own ratios. Three models are asked: a simulated one that costs
nothing, which leaves an answer little but the server's own work; a simulated one with a price; and one with a price of
a vendor that takes 5 ms, which is little for a vendor. Linux only (`/proc`).
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.rig.family import cpu_seconds
from benchmarks.throughput import CLIENTS, Target, chat, measure
from tests.live import LiveServer, free_port

TURNS = 7
SECONDS = 0.5
VENDOR_SECONDS = 0.005
MODELS = {"free": "simulator/chat", "priced": "claude-sonnet-4.6", "vendor": "openai/gpt-5.4-mini"}
TARGETS = (
    chat("whole", "/ipop/v1/chat/completions"),
    chat("streamed", "/maniac/v1/chat/completions", stream=True),
)
SERVERS: dict[str, tuple[str, dict[str, str]]] = {
    "recording off": ("benchmarks.unrecorded", {}),
    "recording on": ("server.cli", {}),
    "synced first": ("server.cli", {"CONCORDAT_LEDGER_SYNC": "billed"}),
    "with content capture": ("server.cli", {"CONCORDAT_CAPTURE": "all"}),
}
BARE = next(iter(SERVERS))

USAGE = '"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}'
HEAD = '"id":"chatcmpl-1","created":1790000000,"model":"m"'
WHOLE = (
    f'{{{HEAD},"object":"chat.completion",{USAGE},"choices":[{{"index":0,"finish_reason":"stop",'
    '"message":{"role":"assistant","content":"In concord."}}]}'
)
DELTAS = (
    '"choices":[{"index":0,"delta":{"role":"assistant","content":"In "}}]',
    '"choices":[{"index":0,"delta":{"content":"concord."}}]',
    '"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]',
    f'"choices":[],{USAGE}',
)
STREAM = "".join(f'data: {{{HEAD},"object":"chat.completion.chunk",{delta}}}\n\n' for delta in DELTAS)


class Vendor(asyncio.Protocol):
    """Answers every POST as OpenAI does, in two writes of a stream or one of a whole, `VENDOR_SECONDS` later."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        if found and len(body) >= length:
            self._received = b""
            asyncio.get_running_loop().call_later(VENDOR_SECONDS, self._answer, b'"stream":true' in body)

    def _answer(self, streamed: bool) -> None:
        text, kind = (STREAM + "data: [DONE]\n\n", "text/event-stream") if streamed else (WHOLE, "application/json")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(text)}\r\n\r\n"
        if not self._transport.is_closing():
            self._transport.write((head + text).encode())  # type: ignore[attr-defined]


def sell(port: int) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Vendor, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def vendor() -> Iterator[str]:
    """Its base URL."""
    port = free_port()
    process = multiprocessing.get_context("spawn").Process(target=sell, args=(port,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.join()


@contextmanager
def running(module: str, settings: dict[str, str]) -> Iterator[LiveServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder), {"CONCORDAT_VALIDATE_RESPONSES": "false", **settings}, module=module)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@dataclass(slots=True)
class Turns:
    """Of one server: requests a second, milliseconds of CPU for each (what drains its ledger included), and their
    median milliseconds."""

    rates: list[float] = field(default_factory=list)
    work: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)

    async def add(self, server: LiveServer, target: Target, clients: int) -> None:
        assert server.process
        pid = server.process.pid
        before = cpu_seconds(pid)
        rate, p50, _ = await measure(server, target, clients, SECONDS)
        self.rates.append(rate)
        self.work.append((cpu_seconds(pid) - before) * 1000 / (rate * SECONDS))
        self.took.append(p50)

    def cost(self, bare: Turns) -> float:
        ratios = [mine / its for mine, its in zip(self.rates, bare.rates, strict=True)]
        return (1 - statistics.median(ratios)) * 100


async def compare(servers: dict[str, LiveServer], target: Target, clients: int) -> None:
    turns = {name: Turns() for name in servers}
    for turn in range(TURNS):
        for name in list(servers)[:: -1 if turn % 2 else 1]:
            await turns[name].add(servers[name], target, clients)
    for name, one in turns.items():
        rate, work, took = map(statistics.median, (one.rates, one.work, one.took))
        cost = f"{one.cost(turns[BARE]):7.1f} %" if name != BARE else ""
        print(f"{target.name:24}{clients:3}  {name:22}{rate:8.0f}{took:8.2f}{work:8.2f}{cost}", flush=True)


def main(*only: str) -> None:
    print(f"{'':24}{'c':>3}  {'':22}{'req/s':>8}{'p50 ms':>8}{'cpu ms':>8}{'cost':>9}")
    with ExitStack() as stack:
        access = {"OPENAI_API_KEY": "sk-vendor-0123", "OPENAI_BASE_URL": stack.enter_context(vendor())}
        servers = {
            name: stack.enter_context(running(module, access | settings))
            for name, (module, settings) in SERVERS.items()
            if name == BARE or not only or name in only
        }
        for target in TARGETS:
            for label, model in MODELS.items():
                asked = replace(target, name=f"{target.name}, {label}", body={**(target.body or {}), "model": model})
                for clients in CLIENTS:
                    asyncio.run(compare(servers, asked, clients))


if __name__ == "__main__":
    main(*sys.argv[1:])
