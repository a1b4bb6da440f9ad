"""What a chat costs with a longer prompt, more keys, models, routes, and open streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.rig.family import resident_megabytes
from benchmarks.rig.processes import Gateway, concordat, measure
from tests.live import LiveServer

USER = [{"role": "user", "content": "Tell me about concord."}]
BODY = {"model": "bench/chat", "messages": USER}
PATH = "/ipop/v1/chat/completions"


def show(server: LiveServer, folder: Path, vendor_port: int, *, quick: bool) -> None:
    seconds = 0.6 if quick else 1.2
    print(f"\n{'GROWTH, ipop chat':34}{'p50 ms':>9}{'cpu us':>10}{'on the loop us':>16}")
    for prompt_bytes in (1_000, 100_000, 1_000_000):
        row(f"prompt of {prompt_bytes // 1000} kB", server, seconds, prompt_bytes=prompt_bytes)
    row("4 APIs, 2 keys, 3 more models, c=8", server, seconds, clients=8)
    with concordat(folder / "root", vendor_port, CONCORDAT_APIS="ipop") as other:
        row("1 API, c=8", other, seconds, clients=8)
    with concordat(folder / "many", vendor_port, keys=1000, models=1000) as other:
        row("1000 keys, 1000 models, c=8", other, seconds, clients=8)
    print(f"\n{'OPEN STREAMS, an event a second':34}{'delay p99':>10}{'cpu us/event':>14}{'memory MB':>11}")
    for streams in (1, 100) if quick else (1, 100, 1000, 5000):
        open_streams(server, streams, 2.0 if quick else 4.0)


def gateway_of(server: LiveServer) -> Gateway:
    assert server.process is not None
    return Gateway("concordat", server.port, server.process.pid, PATH, server.key)


def row(name: str, server: LiveServer, seconds: float, **spec: Any) -> None:
    one = measure(gateway_of(server), BODY, seconds=seconds, **spec)
    print(f"{name:34}{one.p50_ms:9.2f}{one.cpu_us:10.0f}{one.loop_us:16.0f}", flush=True)


def open_streams(server: LiveServer, streams: int, seconds: float) -> None:
    model = "bench/paced-20" if streams < 5000 else "bench/paced-40"
    gateway = gateway_of(server)
    one = measure(
        gateway, {**BODY, "model": model, "stream": True}, clients=streams, seconds=seconds, paced=True, streamed=True
    )
    resident = max(one.resident_mb, resident_megabytes(gateway.pid))
    print(f"{streams:<34}{one.delay_p99_ms:10.1f}{one.cpu_us:14.0f}{resident:11.0f}", flush=True)
