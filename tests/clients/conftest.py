"""A real server in a process of its own, and published clients in environments of their own (`make test-clients`)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
KEY = "ck_clients_0123456789abcdef"
START_SECONDS = 60.0
CLIENT_SECONDS = 120.0

RunClient = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RunningServer:
    url: str
    key: str = KEY


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    port = free_port()
    folder = tmp_path_factory.mktemp("clients")
    surroundings = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_BASE_URL"))}
    settings = {
        "CONCORDAT_PORT": str(port),
        "CONCORDAT_DATA_DIR": str(folder / "data"),
        "CONCORDAT_BOOTSTRAP_KEYS": f"default={KEY}",
        "CONCORDAT_VALIDATE_RESPONSES": "true",
    }
    with (folder / "server.log").open("w+b") as log:
        command = [sys.executable, "-m", "server.cli", "serve"]
        process = subprocess.Popen(command, cwd=ROOT, env=surroundings | settings, stdout=log, stderr=log)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}", process, Path(log.name))
            yield RunningServer(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)


@pytest.fixture(scope="session")
def run_client(server: RunningServer) -> RunClient:
    """`run_client(client, script, prefix)` runs a script in the client's environment; it prints one JSON object."""

    def run(client: str, script: str, prefix: str) -> dict[str, Any]:
        python = ROOT / ".clients" / client / "bin" / "python"
        assert python.exists(), f"there is no environment for {client}: run `make test-clients`"
        command = [str(python), str(SCRIPTS / script), server.url + prefix, server.key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        printed: dict[str, Any] = json.loads(done.stdout)
        return printed

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/-/readyz", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"the server did not become ready:\n{log.read_text()}")
