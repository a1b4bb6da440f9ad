"""The ledger: rows of requests, acknowledged when they cannot be lost any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from storage.database import Database
from storage.errors import StorageError, StorageUnavailable
from storage.ledger.journaled import Journaled, Sync
from storage.ledger.recovery import orphans
from storage.ledger_record import Record
from storage.presence import Presence

Written = asyncio.Future[None] | None
"""Done when a row is safe; None where it is already."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A row on its way."""

    written: Written


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """`timeout_seconds` is how long a caller waits for its row, `close_seconds` how long closing waits for all;
    `backlog_rows` is how many may wait to be brought into the database, `batch_rows` how many of Postgres' share a
    commit."""

    batch_rows: int = 512
    backlog_rows: int = 20_000
    timeout_seconds: float = 5.0
    close_seconds: float = 10.0
    beat_seconds: float = 5.0
    sync: Sync = "soon"


class Writer(Protocol):
    """`storage.ledger.journaled` for SQLite, `storage.ledger.grouped` for Postgres."""

    async def open(self) -> None: ...

    def write(self, record: Record, process_id: str) -> Written: ...

    async def close(self, patience_seconds: float) -> None: ...

    @property
    def backlog_rows(self) -> int: ...


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
        self._writer = self._choose_writer(clock)
        self._is_open = False

    async def open(self) -> None:
        """Settles what dead processes left. Raises `StorageUnavailable`."""
        self._loop = asyncio.get_running_loop()
        await self._writer.open()
        self._is_open = True
        try:
            await self._presence.beat()
            await self.recover()
        except BaseException:
            await self.close()
            raise

    def begin(self, record: Record) -> Begun:
        """Hands in a row in state `started`, to be written while its caller does something else. Raises
        `StorageUnavailable`."""
        return Begun(_unheeded(self._write(record)))  # a request may fail before it asks

    async def start(self, record: Record, begun: Begun | None = None) -> None:
        """Returns when a row in state `started` is safe, the one that was `begun` or `record`.

        Raises `RowRefused`, or `StorageUnavailable`: what is written once the database is back is then that the
        request failed, for its caller was told so.
        """
        try:
            await self._wait(begun.written if begun else self._write(record))
        except StorageUnavailable:
            failed = replace(record, state="failed", http_status=503, error_code="storage_unavailable")
            with suppress(StorageUnavailable):
                self.post(failed)
            raise

    async def finish(self, record: Record) -> None:
        """Writes a final row, with or without a start, and debits its cost; the first final row stands.

        Raises `StorageUnavailable` when it is not safe in time, though it may be written when that becomes possible;
        `RowRefused`, and `TypeError` for metadata that JSON cannot hold.
        """
        await self._wait(self._write(record))

    def post(self, record: Record) -> None:
        """Writes a row behind: a final one, for an answer that acknowledged nothing, or how far a started request has
        come. Raises `StorageUnavailable` when the backlog is full."""
        _unheeded(self._write(record))

    async def recover(self) -> int:
        """Marks what dead processes had started as `interrupted`, billed as far as noted; answers how many."""
        await self._presence.bury()
        marked = 0
        while records := await orphans(self._database, self._settings.batch_rows):
            for waiting in [self._write(record, process_id) for record, process_id in records]:
                await self._wait(waiting)
            marked += len(records)
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
        """Brings the backlog into the database, as far as it can in `close_seconds`, then lets go."""
        if not self._is_open:
            return
        self._is_open = False
        await self._writer.close(self._settings.close_seconds)
        with suppress(StorageUnavailable):  # then the lease runs out by itself
            await self._presence.leave()

    @property
    def backlog_rows(self) -> int:
        return self._writer.backlog_rows

    def _choose_writer(self, clock: Callable[[], float]) -> Writer:
        settings = self._settings
        if self._database.dialect == "sqlite":
            return Journaled(self._database.path, self._presence.process_id, settings.sync, settings.backlog_rows)
        from storage.ledger.grouped import Grouped
        from storage.ledger.postgres import PostgresSink

        return Grouped(partial(PostgresSink, self._database.dsn), settings.batch_rows, settings.backlog_rows, clock)

    def _write(self, record: Record, process_id: str | None = None) -> Written:
        if not self._is_open:
            raise StorageUnavailable("the ledger is closed")
        return self._writer.write(record, process_id or self._presence.process_id)

    async def _wait(self, written: Written) -> None:
        if written is None:
            return
        timer = self._loop.call_later(self._settings.timeout_seconds, _expire, written)
        try:
            await written
        finally:
            timer.cancel()


def _expire(written: asyncio.Future[None]) -> None:
    if not written.done():
        written.set_exception(StorageUnavailable("the ledger could not commit in time"))


def _unheeded(written: Written) -> Written:
    """Nobody may wait: a row that the database refuses is not worth a failed answer."""
    if written is not None:
        written.add_done_callback(lambda done: done.cancelled() or done.exception())
    return written
