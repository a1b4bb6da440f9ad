"""The ledger's writer for SQLite: a row counts as written when it is in the journal, and a process of its own brings it
into the database within milliseconds. Who reads the database waits for that (`storage.ledger.settle`)."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Literal

from storage.errors import StorageUnavailable
from storage.ledger import journal
from storage.ledger.drain import REPORT, SYNC, SYNCED
from storage.ledger.journal import Journal, Position
from storage.ledger.settle import replay_dead
from storage.ledger.sink import is_billed, pack
from storage.ledger.sqlite import moment
from storage.ledger_record import Record

Sync = Literal["always", "billed", "soon"]
"""Which rows are on the disk before they count as written, so that they survive the power going: all, those that cost
money, or none of them, but a moment later. Whatever is written survives the end of the process."""

REVIVE_SECONDS = 0.5
RETRY_SECONDS = 0.2
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
        self._late = deque[bytes]()
        self._unsynced: list[asyncio.Future[None]] = []
        self._syncing: list[asyncio.Future[None]] = []
        self._synced_to = 1
        self._asleep = False
        self.tidy_seconds = TIDY_SECONDS

    async def open(self) -> None:
        """Raises `StorageUnavailable`."""
        await replay_dead(self._database)
        self._loop = asyncio.get_running_loop()
        self._journal = Journal(self._folder)
        self._revival: asyncio.TimerHandle | None = None
        self._tidying: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._start()

    @property
    def backlog_rows(self) -> int:
        return len(self._backlog) + len(self._late)

    def write(self, record: Record, process_id: str) -> asyncio.Future[None] | None:
        """Something to wait for where the row is to be on the disk. Raises as `Ledger.finish`."""
        if self.backlog_rows >= self._backlog_rows:
            raise StorageUnavailable("the ledger's backlog is full")
        packed = pack(record, process_id, moment)
        try:
            self._append(packed)
        except StorageUnavailable:
            if record.state != "started":  # what was done is told of when there is room again
                self._late.append(packed)
                self._try_late_in_a_while()
            raise
        if self._sync == "soon" or (self._sync == "billed" and not is_billed(record)):
            return None
        synced: asyncio.Future[None] = self._loop.create_future()
        self._unsynced.append(synced)
        if not self._syncing:
            self._begin_turn()
        return synced

    def _append(self, packed: bytes) -> None:
        self._backlog.append(self._journal.append(packed))
        if self._asleep:
            self._wake()

    def _try_late_in_a_while(self) -> None:
        if self._retry is None:
            self._retry = self._loop.call_later(RETRY_SECONDS, self._try_late)

    def _try_late(self) -> None:
        self._retry = None
        with suppress(StorageUnavailable):
            while self._late:
                self._append(self._late[0])
                self._late.popleft()
        if self._late:
            self._try_late_in_a_while()

    async def close(self, patience_seconds: float) -> None:
        """What is not in the database by then stays in the journal, for the next who opens it."""
        while waiting := [synced for synced in self._syncing if not synced.done()]:
            done, _ = await asyncio.wait(waiting, timeout=patience_seconds)
            if not done:
                break
        self._try_late()
        self._deafen()
        for timer in (self._revival, self._tidying, self._retry):
            if timer is not None:
                timer.cancel()
        self._journal.close()
        await asyncio.to_thread(self._end, patience_seconds)

    # the process

    def _start(self) -> None:
        self._disk, its_end = socket.socketpair()
        self._disk.setblocking(False)
        about = [str(self._database), str(self._folder), str(its_end.fileno())]
        command = [sys.executable, "-S", "-m", MODULE, *about]  # -S starts quicker
        environment = {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
        with its_end:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[its_end.fileno()], env=environment
            )
        assert self._process.stdin
        assert self._process.stdout
        self._reports = self._process.stdout.fileno()
        os.set_blocking(self._process.stdin.fileno(), False)
        self._loop.add_reader(self._reports, self._hear)
        self._loop.add_reader(self._disk, self._end_turn)
        self._wake()  # for what is there already
        if self._syncing:
            self._ask_disk()

    def _wake(self) -> None:
        self._asleep = False
        assert self._process.stdin
        with suppress(BrokenPipeError):  # then its end is about to be heard of
            os.write(self._process.stdin.fileno(), b"\n")

    def _hear(self) -> None:
        reports = os.read(self._reports, 64 * REPORT.size)
        if not reports:
            self._deafen()
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
            self._wake()

    def _deafen(self) -> None:
        self._loop.remove_reader(self._reports)
        self._loop.remove_reader(self._disk)

    def _revive(self) -> None:
        self._end(0)
        self._start()

    def _end(self, patience_seconds: float) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._disk.close()
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    # the disk: those who come while it is busy share its next turn

    def _begin_turn(self) -> None:
        self._syncing, self._unsynced = self._unsynced, []
        self._turn_to = self._journal.end.segment
        self._ask_disk()

    def _ask_disk(self) -> None:
        with suppress(OSError):  # a process that has ended is asked again when there is another
            self._disk.send(SYNC.pack(self._synced_to, self._turn_to))

    def _end_turn(self) -> None:
        try:
            answer = self._disk.recv(1)
        except OSError:
            answer = b""
        if not answer:
            self._loop.remove_reader(self._disk)
            return
        if answer == SYNCED:
            self._synced_to = self._turn_to
        for synced in self._syncing:
            if not synced.done():
                if answer == SYNCED:
                    synced.set_result(None)
                else:
                    synced.set_exception(StorageUnavailable("the ledger's journal cannot be synced"))
        self._syncing = []
        if self._unsynced:
            self._begin_turn()
