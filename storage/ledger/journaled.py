"""The ledger's writer for SQLite: a row counts as written when it is in the journal, and a process of its own brings it
into the database within milliseconds. Who reads the database waits for that (`storage.ledger.settle`)."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from storage.errors import StorageUnavailable
from storage.ledger import journal
from storage.ledger.drain import REPORT
from storage.ledger.journal import Journal, Position
from storage.ledger.settle import replay_dead
from storage.ledger.sink import Line, pack

Sync = Literal["always", "billed", "never"]
"""Which rows are on the disk before they count as written, so that they survive the power going: all, those that cost
money, or none. Whatever is written survives the end of the process."""

REVIVE_SECONDS = 0.5
TIDY_SECONDS = 5.0
"""What is in the database does not stay in the journal for longer, once no more comes."""
MODULE = "storage.ledger.drain"
ROOT = Path(__file__).parents[2]


class Journaled:
    """Used on one event loop. At most `backlog_rows` are in the journal and not in the database."""

    def __init__(self, database: Path, process_id: str, sync: Sync, backlog_rows: int) -> None:
        self._database = database
        self._folder = journal.home(database) / process_id
        self._sync = sync
        self._backlog_rows = backlog_rows
        self._backlog = deque[Position]()
        self._unsynced: list[asyncio.Future[None]] = []
        self._syncing: asyncio.Future[None] | None = None
        self._turns = SimpleQueue[list[int] | None]()
        self._disk = threading.Thread(target=self._sync_turns, name="ledger-sync", daemon=True)
        self._asleep = False
        self.tidy_seconds = TIDY_SECONDS

    async def open(self) -> None:
        """Raises `StorageUnavailable`."""
        await replay_dead(self._database)
        self._loop = asyncio.get_running_loop()
        self._journal = Journal(self._folder)
        self._revival: asyncio.TimerHandle | None = None
        self._tidying: asyncio.TimerHandle | None = None
        self._disk.start()
        self._start()

    @property
    def backlog_rows(self) -> int:
        return len(self._backlog)

    def write(self, line: Line) -> asyncio.Future[None] | None:
        """Something to wait for where the row is to be on the disk. Raises `StorageUnavailable` and `RowRefused`."""
        if len(self._backlog) >= self._backlog_rows:
            raise StorageUnavailable("the ledger's backlog is full")
        self._backlog.append(self._journal.append(pack(line)))
        if self._asleep:
            self._wake()
        if self._journal.has_full_segments:
            self._begin_turn()
        if self._sync == "never" or (self._sync == "billed" and not line.billed):
            return None
        synced: asyncio.Future[None] = self._loop.create_future()
        self._unsynced.append(synced)
        self._begin_turn()
        return synced

    async def close(self, patience_seconds: float) -> None:
        """What is not in the database by then stays in the journal, for the next who opens it."""
        while self._syncing is not None:
            await self._syncing
        self._turns.put(None)
        await asyncio.to_thread(self._disk.join)
        self._loop.remove_reader(self._reports)
        for timer in (self._revival, self._tidying):
            if timer is not None:
                timer.cancel()
        self._journal.close()
        await asyncio.to_thread(self._end, patience_seconds)

    # the process

    def _start(self) -> None:
        command = [sys.executable, "-S", "-m", MODULE, str(self._database), str(self._folder)]  # -S starts quicker
        environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)  # noqa: S603
        assert self._process.stdin
        assert self._process.stdout
        self._reports = self._process.stdout.fileno()
        os.set_blocking(self._process.stdin.fileno(), False)
        self._loop.add_reader(self._reports, self._hear)
        self._wake()  # for what is there already

    def _wake(self) -> None:
        self._asleep = False
        assert self._process.stdin
        with suppress(BrokenPipeError):  # then its end is about to be heard of
            os.write(self._process.stdin.fileno(), b"\n")

    def _hear(self) -> None:
        reports = os.read(self._reports, 64 * REPORT.size)
        if not reports:
            self._loop.remove_reader(self._reports)
            self._revival = self._loop.call_later(REVIVE_SECONDS, self._revive)
            return
        segment, offset, asleep = REPORT.unpack(reports[-REPORT.size :])
        while self._backlog and self._backlog[0] <= (segment, offset):
            self._backlog.popleft()
        if asleep:
            self._asleep = True
            if self._backlog:
                self._wake()
            elif self._tidying is None and self._journal.end.offset:
                self._tidying = self._loop.call_later(self.tidy_seconds, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        if not self._backlog:
            with suppress(StorageUnavailable):  # the next row meets the same, and says so
                self._journal.turn_over()
            self._begin_turn()
            self._wake()

    def _revive(self) -> None:
        self._end(0)
        self._start()

    def _end(self, patience_seconds: float) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    # the disk: those who come while it is busy share its next turn

    def _begin_turn(self) -> None:
        if self._syncing is None:
            self._syncing = self._loop.create_future()
            self._waiting, self._unsynced = self._unsynced, []
            self._turns.put(self._journal.unsynced())

    def _sync_turns(self) -> None:
        """In a thread of its own."""
        while (files := self._turns.get()) is not None:
            failure = None
            try:
                journal.sync(files)
            except OSError as error:
                failure = StorageUnavailable(f"the ledger's journal cannot be synced: {error}")
            self._loop.call_soon_threadsafe(self._end_turn, failure)

    def _end_turn(self, failure: StorageUnavailable | None) -> None:
        for synced in self._waiting:
            if not synced.done():
                synced.set_result(None) if failure is None else synced.set_exception(failure)
        assert self._syncing
        self._syncing.set_result(None)
        self._syncing = None
        if self._unsynced or self._journal.has_full_segments:
            self._begin_turn()
