"""Moves what was committed from SQLite's write-ahead log into the database, beside the commits instead of within one.

Without it every so many commits one does this work for all, and who waits for that one waits for two fsyncs more.
"""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

EVERY_SECONDS = 1.0
"""While there are commits; what the last ones leave in the log is moved by later ones, or by the last to close."""


class Checkpoints:
    def __init__(self, path: Path, every_seconds: float = EVERY_SECONDS) -> None:
        self._path = path
        self._every_seconds = every_seconds
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._under_way: Future[None] | None = None
        self._last = time.monotonic()

    def note_commit(self) -> None:
        """Begins one when it is time."""
        now = time.monotonic()
        if now - self._last >= self._every_seconds and (self._under_way is None or self._under_way.done()):
            self._last = now
            self._under_way = self._thread.submit(self._move)

    def close(self) -> None:
        self._thread.shutdown()

    def _move(self) -> None:
        """Readers and writers go on meanwhile. What cannot be moved now is moved the next time."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
