"""Processes that are measured, each on its core: the gateways on the first, their clients and vendor on the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.rig.family import cpu_seconds, pin, resident_megabytes
from benchmarks.rig.load import Spec
from tests.live import LiveServer, free_port

CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, OTHER_CORE = CORES[0], CORES[-1]
START_SECONDS = 20
MODEL = {
    "display_name": "Benchmark",
    "owned_by": "bench",
    "capabilities": ["chat", "completion", "tools", "streaming", "json_schema"],
    "context_tokens": 1_000_000,
    "max_output_tokens": 8192,
    "created": 1767225600,
    "prices": [{"input_usd": 0.6, "output_usd": 2.4}],
}


def loop_seconds(pid: int) -> float:
    """User and system time of its first thread, which runs the event loop."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def helper(module: str, port: int, *arguments: object, core: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", module, str(port), *map(str, arguments)])
    os.sched_setaffinity(process.pid, {core})
    try:
        _await_port(process, port)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1):
            return
        if _listens(port):
            return
        time.sleep(0.05)
    raise RuntimeError("a process of the benchmark did not start")


def _listens(port: int) -> bool:
    wanted = f":{port:04X} 00000000:0000 0A"
    return wanted in Path("/proc/net/tcp").read_text()


@dataclass(frozen=True, slots=True)
class Gateway:
    """Something under load. `pid` is 0 where its own costs do not matter."""

    name: str
    port: int
    pid: int
    path: str = "/v1/chat/completions"
    key: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """`cpu_us` and `loop_us` are of the gateway, for one request, or one event where streams are paced."""

    rate: float
    p50_ms: float
    p99_ms: float
    first_ms: float
    events: float
    delay_p99_ms: float
    cpu_us: float
    loop_us: float
    failures: int
    resident_mb: float


def measure(gateway: Gateway, body: Mapping[str, Any] | None, **spec: Any) -> Measured:
    """Raises `RuntimeError` when an answer was not what it should be."""
    asked = Spec(gateway.port, gateway.path, gateway.key, body=dict(body) if body is not None else None, **spec)
    command = [sys.executable, "-m", "benchmarks.rig.load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        os.sched_setaffinity(process.pid, {OTHER_CORE})
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(asked)))
        process.stdin.close()
        assert process.stdout.readline() == "measuring\n"
        began = _costs(gateway.pid)
        assert process.stdout.readline() == "measured\n"
        ended = _costs(gateway.pid)
        resident = resident_megabytes(gateway.pid) if gateway.pid else 0.0
        told = json.loads(process.stdout.readline())
    if told["failures"]:
        raise RuntimeError(f"{gateway.name}: {told['failures']} failures, such as {told['fault']}")
    count = max(1, told["requests"] or told["events"])
    return Measured(
        rate=told["requests"] / told["seconds"],
        p50_ms=told["took_ms"]["p50"],
        p99_ms=told["took_ms"]["p99"],
        first_ms=told["first_ms"]["p50"],
        events=told["events"] / told["seconds"],
        delay_p99_ms=told["delay_ms"]["p99"],
        cpu_us=(ended[0] - began[0]) * 1e6 / count,
        loop_us=(ended[1] - began[1]) * 1e6 / count,
        failures=told["failures"],
        resident_mb=resident,
    )


def _costs(pid: int) -> tuple[float, float]:
    return (cpu_seconds(pid), loop_seconds(pid)) if pid else (0.0, 0.0)


@contextmanager
def concordat(folder: Path, vendor_port: int, *, module: str = "server.cli", **more: Any) -> Iterator[LiveServer]:
    """A server with the vendor, limits on its project, and all recorded. `more`: `models` and `keys` are how many there
    are besides; anything else is a setting."""
    models, keys = more.pop("models", 0), more.pop("keys", 0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catalog.yaml").write_text(json.dumps(_catalog(vendor_port, models)))
    settings = {
        "CONCORDAT_VALIDATE_RESPONSES": "false",
        "CONCORDAT_MAX_CONCURRENT": "10000",
        "BENCH_API_KEY": "sk-bench-0123456789abcdef",
        **more,
    }
    server = LiveServer(folder, settings, module=module)
    extra = [f"other={server.other_key}", *(f"other=ck_bench_{number:016}" for number in range(keys))]
    server.settings = {
        **settings,
        "CONCORDAT_CATALOG": str(folder / "catalog.yaml"),
        "CONCORDAT_BOOTSTRAP_KEYS": ",".join([f"default={server.key}", *extra]),
    }
    limits = ["--requests-per-minute", "100000000", "--tokens-per-day", "1000000000000", "--usd-per-day", "1000000"]
    made = server.cli("limits", "set", *limits)
    assert made.returncode == 0, made.stderr
    server.start()
    assert server.process is not None
    pin(server.process.pid, GATEWAY_CORE)
    try:
        yield server
    finally:
        server.stop()


def _catalog(vendor_port: int, models: int) -> dict[str, Any]:
    vendor = {"name": "bench", "kind": "openai_compatible", "base_url": f"http://127.0.0.1:{vendor_port}/v1"}
    ids = [("bench/chat", "chat"), *((f"bench/paced-{n}", f"paced-{n}") for n in (20, 40))]
    ids += [(f"bench/other-{number}", f"other-{number}") for number in range(models)]
    listed = [{"id": name, "deployments": [{"vendor": "bench", "model": model}], **MODEL} for name, model in ids]
    return {"vendors": [vendor], "models": listed}


@contextmanager
def vendor() -> Iterator[int]:
    port = free_port()
    with helper("benchmarks.rig.upstream", port, core=OTHER_CORE):
        yield port


@contextmanager
def passthrough(vendor_port: int) -> Iterator[Gateway]:
    port = free_port()
    with helper("benchmarks.rig.passthrough", port, vendor_port, core=GATEWAY_CORE) as process:
        yield Gateway("passthrough", port, process.pid)
