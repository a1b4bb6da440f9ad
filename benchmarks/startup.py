"""Start-up time and memory of a server in a fresh data directory: `python -m benchmarks.startup`.

Prints seconds from the start of the process to the first `/maniac/healthz` and to the first chat, and its resident
memory before that chat and after one on each API. Modules are compiled beforehand, as an installation has them, also
where the environment forbids Python to keep what it compiles. Linux only (`/proc`).
"""

from __future__ import annotations

import compileall
import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.rig.family import resident_megabytes
from tests.live import LiveServer

RUNS = 5
ROOMS = ("codegen", "handlers", "providers", "server", "storage")
CHATS = {
    "/maniac/v1/chat/completions": "model",
    "/ipop/v1/chat/completions": "model",
    "/llama-stack/v1/inference/chat-completion": "model_id",
    "/llama-stack-deprecated/v1/openai/v1/chat/completions": "model",
}


def chat(server: LiveServer, path: str) -> None:
    body = {CHATS[path]: "simulator/chat", "messages": [{"role": "user", "content": "Hello."}]}
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


def measure(data_dir: Path) -> dict[str, float]:
    server = LiveServer(data_dir, {"CONCORDAT_VALIDATE_RESPONSES": "false"})
    began = time.monotonic()
    server.start()
    try:
        with urllib.request.urlopen(server.url + "/maniac/healthz", timeout=60) as answer:
            answer.read()
        figures = {"first healthz (s)": time.monotonic() - began}
        assert server.process is not None
        figures["resident before a chat (MB)"] = resident_megabytes(server.process.pid)
        for path in CHATS:
            chat(server, path)
            figures.setdefault("first chat (s)", time.monotonic() - began)
        figures["resident after a chat on each API (MB)"] = resident_megabytes(server.process.pid)
        return figures
    finally:
        server.stop()


def main() -> None:
    for room in ROOMS:
        compileall.compile_dir(room, quiet=1)
    rows = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(Path(folder)))
    print(f"{'':42}{'min':>9}{'median':>9}{'max':>9}")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:42}{min(values):9.2f}{statistics.median(values):9.2f}{max(values):9.2f}")


if __name__ == "__main__":
    main()
