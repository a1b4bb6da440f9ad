"""Requests a second with everything on, against the simulator: `python -m benchmarks.throughput`.

A closed loop of 1, 8 and 32 clients in this process; the server is a process of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.live import LiveServer

SECONDS = 3.0
CLIENTS = (1, 8, 32)
USER = [{"role": "user", "content": "Tell me about concord."}]


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    method: str
    path: str
    body: dict[str, Any] | None = None


def chat(name: str, path: str, model_field: str = "model", *, stream: bool = False) -> Target:
    return Target(name, "POST", path, {model_field: "simulator/chat", "messages": USER, "stream": stream})


TARGETS = (
    Target("maniac healthz", "GET", "/maniac/healthz"),
    Target("maniac models", "GET", "/maniac/v1/models"),
    chat("maniac chat", "/maniac/v1/chat/completions"),
    chat("ipop chat", "/ipop/v1/chat/completions"),
    chat("llama stack chat", "/llama-stack/v1/inference/chat-completion", "model_id"),
    chat("deprecated chat", "/llama-stack-deprecated/v1/openai/v1/chat/completions"),
    chat("maniac chat, streamed", "/maniac/v1/chat/completions", stream=True),
    chat("llama stack chat, streamed", "/llama-stack/v1/inference/chat-completion", "model_id", stream=True),
)


async def drive(session: aiohttp.ClientSession, url: str, target: Target, until: float, took: list[float]) -> None:
    while (began := time.perf_counter()) < until:
        async with session.request(target.method, url + target.path, json=target.body) as answer:
            await answer.read()
            assert answer.status == 200, answer.status
        took.append(time.perf_counter() - began)


async def measure(
    server: LiveServer, target: Target, clients: int, seconds: float = SECONDS
) -> tuple[float, float, float]:
    """Requests a second, and the median and 99th percentile of their milliseconds."""
    headers = {"Authorization": f"Bearer {server.key}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
        await drive(session, server.url, target, time.perf_counter() + 0.3, [])
        took: list[float] = []
        began = time.perf_counter()
        await asyncio.gather(*(drive(session, server.url, target, began + seconds, took) for _ in range(clients)))
        rate = len(took) / (time.perf_counter() - began)
    cuts = statistics.quantiles(took, n=100)
    return rate, cuts[49] * 1000, cuts[98] * 1000


async def run(server: LiveServer) -> None:
    print(f"{'':28}" + "".join(f"{f'c={clients}: req/s':>14}{'p50 ms':>8}{'p99 ms':>8}" for clients in CLIENTS))
    for target in TARGETS:
        cells = [await measure(server, target, clients) for clients in CLIENTS]
        print(f"{target.name:28}" + "".join(f"{rate:14.0f}{p50:8.2f}{p99:8.2f}" for rate, p50, p99 in cells))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder), {"CONCORDAT_VALIDATE_RESPONSES": "false"})
        server.start()
        try:
            asyncio.run(run(server))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
