"""What the gateway costs, beside the least that a gateway can cost: `python -m benchmarks.gateway [--quick]`.

One run has the vendor alone, a bare passthrough and our four chat endpoints with everything on, in turns; compare
within a run, and by processor time (`cpu us`), which what else the machine does hardly changes. Linux only.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.rig import growth, stages
from benchmarks.rig.family import resident_megabytes
from benchmarks.rig.processes import Gateway, Measured, concordat, measure, passthrough, vendor
from tests.live import LiveServer

USER = [{"role": "user", "content": "Tell me about concord, in a few words and without any haste."}]
CHATS = {
    "maniac": ("/maniac/v1/chat/completions", "model"),
    "ipop": ("/ipop/v1/chat/completions", "model"),
    "llama stack": ("/llama-stack/v1/inference/chat-completion", "model_id"),
    "deprecated": ("/llama-stack-deprecated/v1/openai/v1/chat/completions", "model"),
}
CHEAP = {
    "maniac models": "/maniac/v1/models",
    "ipop models": "/ipop/v1/models",
    "llama stack models": "/llama-stack/v1/models",
    "deprecated models": "/llama-stack-deprecated/v1/openai/v1/models",
    "ipop kv get": "/ipop/v1/kv/items/bench",
    "maniac file": "/maniac/v1/files/{file}",
    "ipop file": "/ipop/v1/files/{file}",
    "deprecated file": "/llama-stack-deprecated/v1/openai/v1/files/{file}",
}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how often: `turns` of `seconds` at each number of clients."""

    seconds: float
    turns: int
    clients: tuple[int, ...]


FULL = Pace(0.8, 2, (1, 8, 32))
QUICK = Pace(0.5, 1, (1, 8))


def chat(field: str = "model", model: str = "bench/chat", *, stream: bool = False) -> dict[str, Any]:
    body = {field: model, "messages": USER, "stream": stream}
    return body | ({"stream_options": {"include_usage": True}} if stream and field == "model" else {})


def ours(server: LiveServer) -> dict[str, tuple[Gateway, str]]:
    assert server.process is not None
    pid = server.process.pid
    return {name: (Gateway(name, server.port, pid, path, server.key), field) for name, (path, field) in CHATS.items()}


def compare(gateways: Mapping[str, tuple[Gateway, str]], pace: Pace, *, stream: bool) -> None:
    title = "STREAMED, 64 CHUNKS" if stream else "WHOLE ANSWERS"
    print(f"\n{title:20}" + "".join(_heading(f"c={clients}", stream) for clients in pace.clients))
    columns = {clients: take_turns(gateways, clients, pace, stream=stream) for clients in pace.clients}
    for name in gateways:
        cells = [_cells(columns[clients][name], columns[clients]["passthrough"], stream) for clients in pace.clients]
        print(f"{name:20}" + "".join(cells), flush=True)


def take_turns(
    gateways: Mapping[str, tuple[Gateway, str]], clients: int, pace: Pace, *, stream: bool
) -> dict[str, Measured]:
    """The best of each, one after the other in every turn, so that what else runs hits them alike."""
    turns: dict[str, list[Measured]] = {name: [] for name in gateways}
    for _ in range(pace.turns):
        for name, (gateway, field) in gateways.items():
            spec = {"clients": clients, "seconds": pace.seconds, "streamed": stream}
            turns[name].append(measure(gateway, chat(field, stream=stream), **spec))
    return {name: best(measured) for name, measured in turns.items()}


def best(turns: list[Measured]) -> Measured:
    """What else runs can only make a turn slower."""
    fastest = max(turns, key=lambda turn: turn.rate)
    done = [turn for turn in turns if turn.rate]
    return replace(fastest, cpu_us=min(t.cpu_us for t in done), p50_ms=min(t.p50_ms for t in done)) if done else fastest


def _heading(clients: str, stream: bool) -> str:
    first = f"{'first':>7}{'events/s':>9}" if stream else ""
    return f"{clients + ': req/s':>13}{'ratio':>7}{'p50 ms':>8}{'p99':>7}{first}{'cpu us':>8}"


def _cells(one: Measured, bare: Measured, stream: bool) -> str:
    first = f"{one.first_ms:7.2f}{one.events:9.0f}" if stream else ""
    return f"{one.rate:13.0f}{one.rate / bare.rate:7.2f}{one.p50_ms:8.2f}{one.p99_ms:7.2f}{first}{one.cpu_us:8.0f}"


def cheap(server: LiveServer, pace: Pace) -> None:
    assert server.process is not None
    print(f"\n{'CHEAP OPERATIONS':20}{'c=8: req/s':>13}{'p50 ms':>8}{'p99':>7}{'cpu us':>8}")
    file_id = put_things(server)
    for name, path in CHEAP.items():
        gateway = Gateway(name, server.port, server.process.pid, path.format(file=file_id), server.key)
        one = measure(gateway, None, method="GET", clients=8, seconds=pace.seconds)
        print(f"{name:20}{one.rate:13.0f}{one.p50_ms:8.2f}{one.p99_ms:7.2f}{one.cpu_us:8.0f}", flush=True)


def put_things(server: LiveServer) -> str:
    """What is read: an item, and a file, whose id it answers."""
    import httpx

    with httpx.Client(base_url=f"{server.url}/ipop/v1", headers={"Authorization": f"Bearer {server.key}"}) as client:
        client.put("/kv/items", json={"key": "bench", "value": {"text": "concord"}}).raise_for_status()
        answer = client.post("/files", content=b"concord", headers={"Content-Type": "application/octet-stream"})
        return str(answer.raise_for_status().json()["id"])


def main() -> None:
    options = argparse.ArgumentParser(prog="benchmarks.gateway")
    options.add_argument("--quick", action="store_true", help="less of everything, in under a minute")
    options.add_argument("--only", choices=("compare", "stages", "growth"))
    options.add_argument("--places", type=int, default=0, help="show so many of the costliest places in the code")
    given = options.parse_args()
    pace = QUICK if given.quick else FULL
    print(f"{platform.platform()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}")
    with tempfile.TemporaryDirectory() as name, vendor() as vendor_port:
        folder = Path(name)
        if given.only in (None, "stages"):
            stages.show(folder / "stages", vendor_port, pace.seconds * 2, given.places)
        if given.only != "stages":
            with concordat(folder / "main", vendor_port) as server:
                if given.only != "growth":
                    beside(server, vendor_port, pace)
                if given.only != "compare":
                    growth.show(server, folder, vendor_port, quick=given.quick)


def beside(server: LiveServer, vendor_port: int, pace: Pace) -> None:
    assert server.process is not None
    idle_mb = resident_megabytes(server.process.pid)
    with passthrough(vendor_port) as bare:
        upstream = Gateway("upstream alone", vendor_port, 0)
        gateways = {"upstream alone": (upstream, "model"), "passthrough": (bare, "model"), **ours(server)}
        compare(gateways, pace, stream=False)
        compare(gateways, pace, stream=True)
    cheap(server, pace)
    print(f"\nmemory: {idle_mb:.0f} MB idle, {resident_megabytes(server.process.pid):.0f} MB after")


if __name__ == "__main__":
    main()
