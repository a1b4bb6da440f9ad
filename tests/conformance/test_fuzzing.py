"""`concordat contract` over every API: what is bound keeps to its document, what is not says so, streams to rules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.inspect import apis
from tests.live import ROOT, LiveServer

EXAMPLES = os.environ.get("CONCORDAT_FUZZ_EXAMPLES", "8")
"""Of an operation and phase: not for so many seconds, so that a slow machine tries what a quick one does."""

SEED = os.environ.get("CONCORDAT_FUZZ_SEED", "1")
"""The same cases in every run of the tests."""


@pytest.mark.parametrize("api", apis())
def test_an_api_keeps_to_its_contract(server: LiveServer, access_key: str, api: str, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "server.cli", "contract",
        "--url", server.url, "--key", server.key,
        "--admin-token", server.admin_token, "--access-key", access_key,
        "--api", api, "--examples", EXAMPLES, "--seed", SEED,
        "--report", str(tmp_path / "report.md"),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    report = (tmp_path / "report.md").read_text() if done.returncode == 1 else ""
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:] + report[-20_000:]
    assert " 0 requests" not in done.stdout
