"""Processor time of a request by stage, by samples: see `sampled`."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rig.processes import Gateway, concordat, measure
from tests.live import LiveServer

USER = [{"role": "user", "content": "Tell me about concord, in a few words and without any haste."}]
BODY = {"model": "bench/chat", "messages": USER}
STAGES = (
    ("protocol", ("uvicorn", "server/protocol")),
    (
        "routing",
        ("server/app", "server/request", "server/openapi31/routing", "server/random_ids", "providers/trace_context"),
    ),
    ("auth", ("server/auth", "server/openapi31/security", "handlers/core/keys")),
    ("validation", ("server/openapi31",)),
    ("limits", ("handlers/core/quota", "storage/watch", "storage/repositories/limits")),
    ("ledger hand-over", ("server/binding/recorder", "storage/ledger", "handlers/core/completions", "server/metrics")),
    ("binding", ("server/binding",)),
    ("handler and render", ("handlers/ipop", "handlers/maniac", "handlers/llama_stack", "handlers/wire")),
    ("core", ("handlers/core", "codegen")),
    ("provider call", ("providers",)),
    ("rest of storage", ("storage",)),
)
LOOP, THREADS = "loop and sockets", "other threads"
NAMES = (*(name for name, _ in STAGES), LOOP, THREADS)


def show(folder: Path, vendor_port: int, seconds: float, places_shown: int) -> None:
    """Of IPOP's chat at 8 clients, whole and streamed."""
    print(f"\n{'STAGES, ipop chat, c=8':28}{'whole us':>10}{'streamed us':>13}")
    with concordat(folder, vendor_port, module="benchmarks.rig.sampled") as server:
        whole, streamed = (sample(server, seconds, stream=stream) for stream in (False, True))
    for name in NAMES:
        print(f"{name:28}{whole.stages[name]:10.1f}{streamed.stages[name]:13.1f}")
    print(f"{'all':28}{whole.cpu_us:10.1f}{streamed.cpu_us:13.1f}", flush=True)
    for title, sampled in (("whole", whole), ("streamed", streamed)):
        for place, us in sampled.places.most_common(places_shown):
            print(f"  {title:10}{us:7.2f}  {place}")


@dataclass(frozen=True, slots=True)
class Sampled:
    """Microseconds of a request: all, by stage and by place."""

    cpu_us: float
    stages: Mapping[str, float]
    places: Counter[str]


def sample(server: LiveServer, seconds: float, *, stream: bool) -> Sampled:
    assert server.process is not None
    pid = server.process.pid
    gateway = Gateway("sampled", server.port, pid, "/ipop/v1/chat/completions", server.key)
    body = BODY | {"stream": stream}
    unsampled = measure(gateway, body, clients=8, seconds=seconds, streamed=stream)
    os.kill(pid, signal.SIGUSR1)
    measure(gateway, body, clients=8, seconds=seconds, streamed=stream)
    os.kill(pid, signal.SIGUSR1)
    seconds_at: dict[str, float] = json.loads(_await(server.data_dir / f"samples-{int(stream)}.json"))
    share = unsampled.loop_us / sum(seconds_at.values())
    stages = dict.fromkeys(NAMES, 0.0)
    stages[THREADS] = unsampled.cpu_us - unsampled.loop_us
    for place, at in seconds_at.items():
        stages[_stage(place)] += at * share
    return Sampled(unsampled.cpu_us, stages, Counter({place: at * share for place, at in seconds_at.items()}))


def _await(file: Path) -> str:
    while not (file.exists() and file.read_text().endswith("}")):
        time.sleep(0.05)
    return file.read_text()


def _stage(place: str) -> str:
    return next((name for name, starts in STAGES if place.startswith(starts)), LOOP)
