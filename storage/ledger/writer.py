"""The group-commit writer.

Records go into a bounded backlog. One thread takes up to `batch_rows` of them, commits them together and wakes those
who wait; while the database is away it keeps trying, so that a final row is not lost because its caller was told 503.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from storage.database import Database
from storage.errors import RowRefused, StorageError, StorageUnavailable
from storage.ledger import sqlite
from storage.ledger.recovery import orphans
from storage.ledger.sink import Line, Sink, Sync, line
from storage.ledger_record import Record
from storage.presence import Presence
from storage.tables.types import instant


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """`timeout_seconds` is how long a caller waits for its commit, `close_seconds` how long closing waits for all."""

    batch_rows: int = 512
    backlog_rows: int = 20_000
    timeout_seconds: float = 5.0
    close_seconds: float = 10.0
    beat_seconds: float = 5.0
    retry_seconds: float = 0.05
    sync: Sync = "billed"


@dataclass(slots=True)
class Begun:
    """A line on its way and who waits for it."""

    line: Line
    committed: asyncio.Future[None]


class Ledger:
    def __init__(
        self,
        database: Database,
        presence: Presence,
        settings: LedgerSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._presence = presence
        self._settings = settings or LedgerSettings()
        self._clock = clock
        self._backlog: deque[Begun] = deque()
        self._changed = threading.Condition()
        self._closing_at: float | None = None
        self._thread: threading.Thread | None = None
        self._moment: Callable[[datetime], Any] = sqlite.moment

    async def open(self) -> None:
        """Starts the writer and settles what dead processes left. Raises `StorageUnavailable`."""
        self._loop = asyncio.get_running_loop()
        if self._database.dialect == "postgresql":
            from storage.ledger import postgres

            self._moment = postgres.moment
        self._closing_at = None
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()
        await self._presence.beat()
        await self.recover()

    def begin(self, record: Record) -> Begun:
        """Hands in a row in state `started`, to be written while its caller does something else. Raises
        `StorageUnavailable`."""
        begun = self._enqueue(record)
        begun.committed.add_done_callback(_forget)  # a request may fail before it asks
        return begun

    async def start(self, record: Record, begun: Begun | None = None) -> None:
        """Returns when a row in state `started` is written, the one that was `begun` or `record`.

        Raises `RowRefused`, or `StorageUnavailable`: what is written once the database is back is then that the
        request failed, for its caller was told so.
        """
        pending = begun or self._enqueue(record)
        try:
            await self._wait(pending)
        except StorageUnavailable:
            failed = replace(record, state="failed", http_status=503, error_code="storage_unavailable")
            with suppress(StorageUnavailable):
                self._enqueue(failed).committed.cancel()  # nobody waits for this one
            raise

    async def finish(self, record: Record) -> None:
        """Writes a final row, with or without a start, and debits its cost; the first final row stands.

        Raises `StorageUnavailable` when it is not committed in time, though it stays in the backlog and is written
        when that becomes possible; `RowRefused`.
        """
        await self._wait(self._enqueue(record))

    def post(self, record: Record) -> None:
        """Writes a row behind: a final one, for an answer that acknowledged nothing, or how far a started request has
        come. Raises `StorageUnavailable` when the backlog is full."""
        self._enqueue(record).committed.add_done_callback(_forget)

    async def recover(self) -> int:
        """Marks what dead processes had started as `interrupted`, billed as far as noted; answers how many."""
        await self._presence.bury()
        marked = 0
        while records := await orphans(self._database, self._settings.batch_rows):
            waiting = [self._enqueue(record, process_id) for record, process_id in records]
            for pending in waiting:
                await self._wait(pending)
            marked += len(waiting)
        return marked

    async def run(self) -> None:
        """Keeps this process alive for the others and buries them; belongs into the server's TaskGroup."""
        while True:
            await asyncio.sleep(self._settings.beat_seconds)
            try:
                await self._presence.beat()
                await self.recover()
            except StorageError:
                continue  # the next beat may get through, and requests fail by themselves meanwhile

    async def close(self) -> None:
        """Writes the backlog, then lets go; what cannot be written in `close_seconds` fails for those who wait."""
        if self._thread is None:
            return
        with self._changed:
            self._closing_at = time.monotonic() + self._settings.close_seconds
            self._changed.notify_all()
        await asyncio.to_thread(self._thread.join)
        self._thread = None
        with suppress(StorageUnavailable):  # then the lease runs out by itself
            await self._presence.leave()

    @property
    def backlog_rows(self) -> int:
        return len(self._backlog)

    def _enqueue(self, record: Record, process_id: str | None = None) -> Begun:
        if self._thread is None or self._closing_at is not None:
            raise StorageUnavailable("the ledger is closed")
        entry = line(record, process_id or self._presence.process_id, self._moment)
        pending = Begun(entry, self._loop.create_future())
        with self._changed:
            if len(self._backlog) >= self._settings.backlog_rows:
                raise StorageUnavailable("the ledger's backlog is full")
            self._backlog.append(pending)
            self._changed.notify()
        return pending

    async def _wait(self, pending: Begun) -> None:
        timer = self._loop.call_later(self._settings.timeout_seconds, _expire, pending.committed)
        try:
            await pending.committed
        finally:
            timer.cancel()

    # the writer's thread, from here on

    def _work(self) -> None:
        sink = self._sink()
        while batch := self._take():
            self._commit(sink, batch)
        sink.close()

    def _sink(self) -> Sink:
        if self._database.dialect == "sqlite":
            return sqlite.SqliteSink(self._database.path, self._settings.sync)
        from storage.ledger.postgres import PostgresSink

        return PostgresSink(self._database.dsn)

    def _take(self) -> list[Begun]:
        """Waits for something to write; nothing when the ledger is closed and its backlog empty. What comes during a
        commit shares the next; to wait for more than that gained nothing that could be measured."""
        with self._changed:
            while not self._backlog and self._closing_at is None:
                self._changed.wait()
            return [self._backlog.popleft() for _ in range(min(len(self._backlog), self._settings.batch_rows))]

    def _commit(self, sink: Sink, batch: list[Begun]) -> None:
        while True:
            try:
                self._write(sink, batch)
            except StorageUnavailable as error:
                if self._closing_at is not None and time.monotonic() > self._closing_at:
                    return self._wake(batch, error)
                time.sleep(self._settings.retry_seconds)
            except RowRefused as error:
                if len(batch) == 1:
                    return self._wake(batch, error)
                for pending in batch:
                    self._commit(sink, [pending])
                return None
            else:
                return self._wake(batch, None)

    def _write(self, sink: Sink, batch: list[Begun]) -> None:
        sink.write(latest([pending.line for pending in batch]), instant(self._clock()))

    def _wake(self, batch: list[Begun], error: StorageError | None) -> None:
        self._loop.call_soon_threadsafe(_resolve, batch, error)


def latest(lines: Sequence[Line]) -> list[Line]:
    """One line a request: its first final one, else its last."""
    chosen: dict[str, Line] = {}
    for entry in lines:
        known = chosen.get(entry.request_id)
        if known is None or not known.final:
            chosen[entry.request_id] = entry
    return list(chosen.values())


def _expire(committed: asyncio.Future[None]) -> None:
    if not committed.done():
        committed.set_exception(StorageUnavailable("the ledger could not commit in time"))


def _forget(committed: asyncio.Future[None]) -> None:
    """Nobody waits: a row that the database refuses is not worth a failed answer."""
    if not committed.cancelled():
        committed.exception()


def _resolve(batch: list[Begun], error: StorageError | None) -> None:
    for pending in batch:
        if not pending.committed.done():
            if error is None:
                pending.committed.set_result(None)
            else:
                pending.committed.set_exception(error)
