"""A server of our own on the loopback, with a data directory that lasts as long as it does."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from server.contract.signing import AccessKey, Signer

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 20
SHOWN = 2000
"""Characters of its log, where it does not start."""


class CannotStartError(RuntimeError):
    """The message is what its log says."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server and what opens it. What is empty is not tried."""

    url: str
    key: str
    admin_token: str = ""
    access_key: AccessKey | None = None

    def signer(self) -> Signer | None:
        return None if self.access_key is None else Signer(self.access_key, self.key)


@contextmanager
def serving() -> Iterator[Target]:
    """It knows no vendor, and so nothing it is asked costs money. Raises `CannotStartError`."""
    with tempfile.TemporaryDirectory(prefix="concordat-contract-") as folder, open(f"{folder}/log", "wb") as log:
        target = Target(f"http://127.0.0.1:{_free_port()}", f"ck_{secrets.token_hex(16)}", secrets.token_hex(16))
        environment = _environment(target, folder)
        command = [sys.executable, "-m", "server.cli", "serve"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)  # noqa: S603 - ourselves
        try:
            _wait(target.url, process, Path(folder, "log"))
            yield Target(target.url, target.key, target.admin_token, _make_access_key(environment))
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment(target: Target, folder: str) -> dict[str, str]:
    """Nothing is inherited, so no setting and no vendor's key is."""
    return {
        "PATH": os.defpath,
        "CONCORDAT_PORT": target.url.rpartition(":")[2],
        "CONCORDAT_DATA_DIR": f"{folder}/data",
        "CONCORDAT_BOOTSTRAP_KEYS": f"default={target.key}",
        "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN": target.admin_token,
        "CONCORDAT_VALIDATE_RESPONSES": "true",
    }


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/-/healthz", timeout=5, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise CannotStartError("the server does not start: " + log.read_text("utf-8", "replace")[-SHOWN:])


def _make_access_key(environment: dict[str, str]) -> AccessKey:
    command = [sys.executable, "-m", "server.cli", "storage", "keys", "create", "--json"]
    done = subprocess.run(  # noqa: S603 - ourselves
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=START_SECONDS
    )
    made = json.loads(done.stdout)
    return AccessKey(made["access_key_id"], made["secret_access_key"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
