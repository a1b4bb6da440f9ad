"""Worker processes that a test starts and kills, and a look at their jobs."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from handlers.core.jobs import Job, JobEvent, Jobs
from storage.database import Database
from tests.live import ROOT, SETTINGS

Answer = TypeVar("Answer")
PATIENCE_SECONDS = 60.0
WRITERS = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'transactionid' AND datname = current_database()"""
"""Transactions that have written or locked a row."""
STARTED = '"worker_started"'


@dataclass
class Workers:
    """On one database; `upgrade` it first."""

    data_dir: Path
    settings: Mapping[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        return self.settings.get("CONCORDAT_DATABASE_URL", f"sqlite:///{self.data_dir}/concordat.db")

    def log_text(self) -> str:
        file = self.data_dir / "workers.log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def start(self, *module: str) -> subprocess.Popen[bytes]:
        """Returns when it is about to look for jobs. Without a module it knows the jobs of `counting`."""
        before = self.log_text().count(STARTED)
        process = self._start(module or ("tests.heavy.counting",))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.log_text().count(STARTED) == before:
            assert process.poll() is None, self.log_text()
            assert time.monotonic() < deadline, self.log_text()
            time.sleep(0.05)
        return process

    def _start(self, module: Sequence[str]) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if not SETTINGS.search(name)}
        environment = inherited | {"CONCORDAT_DATA_DIR": str(self.data_dir), "CONCORDAT_LOG_FORMAT": "json"}
        command = [sys.executable, "-m", *module]
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "workers.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment | self.settings, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def freeze(self, process: subprocess.Popen[bytes]) -> None:
        """Stops it at a moment when it holds no lock of the database, which it would hold on to."""
        process.send_signal(signal.SIGSTOP)
        while not self.is_unlocked():
            process.send_signal(signal.SIGCONT)
            time.sleep(0.03)
            process.send_signal(signal.SIGSTOP)

    def is_unlocked(self) -> bool:
        if "CONCORDAT_DATABASE_URL" in self.settings:
            return asyncio.run(self._writers()) == 0
        for file in self.data_dir.glob("*.db"):
            connection = sqlite3.connect(file, timeout=0.2, isolation_level=None)
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            finally:
                connection.close()
        return True

    async def _writers(self) -> int:
        connection = await asyncpg.connect(self.url)
        try:
            return int(await connection.fetchval(WRITERS))
        finally:
            await connection.close()

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        assert {process.wait(timeout=30) for process in self.processes} <= {0, -signal.SIGKILL}

    def enqueue(self, kind: str, input: Any = None) -> Job:
        number = next(self.numbers)
        return self.ask(lambda jobs: jobs.enqueue(kind, input, None, job_id=f"{kind}-{number}"))

    def get(self, job: Job) -> Job:
        return self.ask(lambda jobs: jobs.get(None, job.id))

    def ended(self, job: Job) -> Job:
        async def wait(jobs: Jobs) -> Job:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await jobs.wait(None, job.id)

        return self.ask(wait)

    def events(self, job: Job) -> list[JobEvent]:
        async def listing(jobs: Jobs) -> list[JobEvent]:
            return list(await jobs.events(None, job.id))

        return self.ask(listing)

    def upgrade(self) -> None:
        async def upgraded() -> None:
            database = Database.open(self.url)
            await database.upgrade()
            await database.close()

        asyncio.run(upgraded())

    def ask(self, question: Callable[[Jobs], Coroutine[Any, Any, Answer]]) -> Answer:
        async def asked() -> Answer:
            database = Database.open(self.url)
            try:
                return await question(Jobs(database, time.time, str))
            finally:
                await database.close()

        return asyncio.run(asked())
