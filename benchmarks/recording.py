"""What recording costs, and content capture on top of it: `python -m benchmarks.recording`.

The three servers run side by side and are measured in turns, so that what else the machine does hits them alike; of
each the median of the turns is shown.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.throughput import Target, chat, measure
from tests.live import LiveServer

TURNS = 5
CLIENTS = 8
TARGETS = (
    chat("ipop chat", "/ipop/v1/chat/completions"),
    chat("maniac chat, streamed", "/maniac/v1/chat/completions", stream=True),
)
SERVERS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("recording off", "benchmarks.unrecorded", {}),
    ("recording on", "server.cli", {}),
    ("with content capture", "server.cli", {"CONCORDAT_CAPTURE": "all"}),
)


@contextmanager
def running(module: str, settings: dict[str, str]) -> Iterator[LiveServer]:
    with tempfile.TemporaryDirectory() as folder:
        server = LiveServer(Path(folder), {"CONCORDAT_VALIDATE_RESPONSES": "false", **settings}, module=module)
        server.start()
        try:
            yield server
        finally:
            server.stop()


async def compare(servers: dict[str, LiveServer], target: Target) -> None:
    rates: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(TURNS):
        for name, server in servers.items():
            rate, _, _ = await measure(server, target, CLIENTS)
            rates[name].append(rate)
    bare = statistics.median(rates["recording off"])
    for name, measured in rates.items():
        rate = statistics.median(measured)
        print(f"{target.name:28}{name:24}{rate:10.0f}{(1 - rate / bare) * 100:10.1f} %")


def main() -> None:
    print(f"{'':52}{f'c={CLIENTS}: req/s':>10}{'cost':>11}")
    (off, on, capture) = ((name, running(module, settings)) for name, module, settings in SERVERS)
    with off[1] as bare, on[1] as recording, capture[1] as capturing:
        servers = {off[0]: bare, on[0]: recording, capture[0]: capturing}
        for target in TARGETS:
            asyncio.run(compare(servers, target))


if __name__ == "__main__":
    main()
