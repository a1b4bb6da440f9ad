"""Brings a journal into SQLite, many rows to a commit, and onto the disk.

A process of its own, `python -m storage.ledger.drain DATABASE FOLDER SOCKET`, started by `storage.ledger.journaled`, so
that indices, sums and searchable texts are written beside the server's event loop, and none of its threads waits for
the disk. It is woken by a byte on its standard input, and tells on its standard output how far it has come (`REPORT`).
What is to be synced it is told on the socket (`SYNC`), and answers there. It ends when its standard input does, which
is when the server has ended, in whatever way: first it brings in what is left. Imports nothing that is slow to import.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from storage.disk import sync
from storage.errors import RowRefused, StorageUnavailable
from storage.ledger import journal
from storage.ledger.sink import Line, latest, unpack
from storage.ledger.sqlite import SqliteSink, moment

REPORT = struct.Struct("<QQ?")
"""A `journal.Position` that is in the database, and whether nothing more was there, so that a byte has to wake it."""

SYNC = struct.Struct("<QQ")
"""The first and the last of the segments."""
SYNCED, FAILED = b"\1", b"\0"

RETRY_SECONDS = 0.05
LAST_TRIES_SECONDS = 10.0
"""After the server's end, while the database refuses; then the journal stays for the next who opens the database."""


NICENESS = 5
"""The server's event loop goes first, where there are too few cores for both."""


SOON_SECONDS = 0.03
"""What was appended is on the disk within so long and a turn, or two short ones, whether an answer waited for the disk
or not: with commits of milliseconds within a tenth of a second."""


def pace(rows: int) -> float:
    """Seconds until the next commit, after one of `rows`: the more there is, the more shares a commit."""
    return min(0.003 + 0.0005 * rows, 0.06)


class Drain:
    """Repeating what is in the database already changes nothing, so that it may begin anew at any time."""

    def __init__(
        self,
        database: Path,
        folder: Path,
        clock: Callable[[], float] = time.time,
        syncing: journal.Syncing | None = None,
    ) -> None:
        self._folder = folder
        self._log = database.with_name(f"{database.name}-wal")
        self._clock = clock
        self._sink = SqliteSink(database)
        self._reader = journal.Reader(folder)
        self._waiting: list[bytes] = []
        self._oldest = self._reader.position.segment
        self._syncing = syncing or journal.Syncing(folder)
        self._synced, self._synced_at = self._reader.position, 0.0
        self._mark = os.open(folder / journal.MARK, os.O_WRONLY | os.O_CREAT, 0o600)

    @property
    def position(self) -> journal.Position:
        return self._reader.position

    def step(self) -> int:
        """Commits the next batch; answers how many rows it had, 0 when there are none. Raises `StorageUnavailable`: the
        next call tries again."""
        self._waiting = self._waiting or self._reader.read()
        self._sync_journal()
        if self._waiting:
            self._write(latest([unpack(payload, moment) for payload in self._waiting]))
        rows, self._waiting = len(self._waiting), []
        if self.position.segment != self._oldest:
            self._sync()
        if rows:
            os.pwrite(self._mark, b"%010d %020d" % self.position, 0)
        if self.position.segment != self._oldest:
            self._drop_segments()
            self._oldest = self.position.segment
        return rows

    def close(self) -> None:
        self._reader.close()
        self._syncing.close()
        self._sink.close()
        os.close(self._mark)

    def remove(self) -> None:
        """Of a journal that nobody adds to any more, when all of it was brought in."""
        self._sync()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _drop_segments(self) -> None:
        """Those before the one that is read."""
        for number in journal.segments(self._folder):
            if number < self.position.segment:
                journal.segment(self._folder, number).unlink(missing_ok=True)

    def _sync_journal(self) -> None:
        """Of what was read, now and then; all of it before there is nothing more to do."""
        if self.position == self._synced or (self._waiting and time.monotonic() < self._synced_at + SOON_SECONDS):
            return
        try:
            self._syncing.sync(self._synced.segment, self.position.segment)
        except OSError as error:
            _say(f"the ledger's journal cannot be synced: {error}")
        else:
            self._synced = self.position
        self._synced_at = time.monotonic()

    def _write(self, lines: list[Line]) -> None:
        now = datetime.fromtimestamp(self._clock(), UTC)
        try:
            self._sink.write(lines, now)
        except RowRefused as refusal:
            if len(lines) > 1:
                for line in lines:
                    self._write([line])
                return
            if lines[0].companions:  # rather without them than not at all
                self._write([replace(lines[0], companions=())])
                return
            _say(f"the ledger cannot keep {lines[0].request_id}: {refusal}")

    def _sync(self) -> None:
        """What was committed is on the disk, too, before the journal lets go of it."""
        with suppress(FileNotFoundError):
            sync(self._log)


def serve_disk(folder: Path, connection: socket.socket) -> None:
    """Until the other side ends; in a thread, since the disk is waited for while rows are brought in."""
    syncing = journal.Syncing(folder)
    while message := connection.recv(SYNC.size):
        try:
            syncing.sync(*SYNC.unpack(message))
        except OSError as error:
            _say(f"the ledger's journal cannot be synced: {error}")
            connection.send(FAILED)
        else:
            connection.send(SYNCED)


def serve(drain: Drain) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        while rows := _step(drain):
            _report(drain, asleep=False)
            time.sleep(pace(rows))
        _report(drain, asleep=True)


def finish(drain: Drain) -> None:
    """Raises `StorageUnavailable` when there was still something to bring in after `LAST_TRIES_SECONDS`."""
    deadline = time.monotonic() + LAST_TRIES_SECONDS
    while True:
        try:
            while drain.step():
                pass
            return drain.remove()
        except StorageUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)


def _step(drain: Drain) -> int:
    """Tries until it can, or until the server has ended."""
    while True:
        try:
            return drain.step()
        except StorageUnavailable:
            if _server_ended():
                return 0
            time.sleep(RETRY_SECONDS)


def _server_ended() -> bool:
    looking = select.poll()
    looking.register(sys.stdin.fileno(), select.POLLHUP)
    return any(event & select.POLLHUP for _, event in looking.poll(0))


def _report(drain: Drain, *, asleep: bool) -> None:
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), REPORT.pack(*drain.position, asleep))


def _say(what: str) -> None:
    sys.stderr.write(f"concordat: {what}\n")
    sys.stderr.flush()


def main(database: str, folder: str, disk: str) -> int:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)  # meant for the server, whose end is this one's
    connection = socket.socket(fileno=int(disk))
    threading.Thread(target=serve_disk, args=(Path(folder), connection), daemon=True).start()
    os.nice(NICENESS)  # of this thread alone, on Linux
    drain = Drain(Path(database), Path(folder))
    serve(drain)
    try:
        finish(drain)
    except StorageUnavailable as error:
        _say(f"rows stay in the ledger's journal: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
