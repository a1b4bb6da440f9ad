"""A real server in a process of its own, on a free port of the loopback. Standard library only."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEY = "ck_journeys_0123456789abcdef"
OTHER_KEY = "ck_other_0123456789abcdef"
ADMIN_TOKEN = "admin_journeys_0123456789abcdef"
START_SECONDS = 120
SETTINGS = re.compile(r"^CONCORDAT_|_API_KEY$|_API_KEY_FILE$|_BASE_URL$")


@dataclass
class LiveServer:
    """`key` belongs to the project `default`, `other_key` to the project `other`. `options` follow `serve` on the
    command line; `checkout` is the folder of the code that is run, `module` what of it."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()
    checkout: Path = ROOT
    module: str = "server.cli"
    key: str = KEY
    other_key: str = OTHER_KEY
    admin_token: str = ADMIN_TOKEN
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        return self.data_dir / "server.log"

    @property
    def environment(self) -> dict[str, str]:
        """Of the server, and of the commands that act on its data. No setting and no vendor's key is inherited."""
        inherited = {name: value for name, value in os.environ.items() if not SETTINGS.search(name)}
        return inherited | {
            "CONCORDAT_PORT": str(self.port),
            "CONCORDAT_DATA_DIR": str(self.data_dir),
            "CONCORDAT_BOOTSTRAP_KEYS": f"default={self.key},other={self.other_key}",
            "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN": self.admin_token,
            "CONCORDAT_VALIDATE_RESPONSES": "true",
            "CONCORDAT_LOG_FORMAT": "json",
            **self.settings,
        }

    def log_text(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Returns when the server answers; raises `RuntimeError` with its log when it does not."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        command = [sys.executable, "-m", self.module, "serve", *self.options]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.checkout, env=self.environment, stdout=log, stderr=log)
        self._wait()

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `concordat` command on the server's data, in a process of its own, whether the server runs or not."""
        command = [sys.executable, "-m", "server.cli", *arguments]
        return subprocess.run(
            command, cwd=self.checkout, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/-/healthz", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"the server did not start:\n{self.log_text()}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """The exit status; None when it was not running."""
        if self.process is None:
            return None
        self.process.send_signal(how)
        status = self.process.wait(timeout=60)
        self.process = None
        return status


def free_port() -> int:
    """Below those that systems give out by themselves, so that nobody else gets it before it is listened on."""
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@contextmanager
def running(data_dir: Path, *options: str, **settings: str) -> Iterator[LiveServer]:
    """`options` follow `serve` on the command line, `settings` are environment variables."""
    server = LiveServer(data_dir, settings, options)
    server.start()
    try:
        yield server
    finally:
        server.stop()
