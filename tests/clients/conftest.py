"""A real server in a process of its own, and published clients in environments of their own (`make test-clients`)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import ROOT, LiveServer, running

SCRIPTS = Path(__file__).parent / "scripts"
CLIENT_SECONDS = 120.0

RunClient = Callable[[str, str, str], dict[str, Any]]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("clients")) as live:
        yield live


@pytest.fixture(scope="session")
def run_client(server: LiveServer) -> RunClient:
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
