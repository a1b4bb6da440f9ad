"""The ledger's writer for Postgres: a thread commits what came during the last commit, all together, and a row counts
as written when its commit has ended. While the database is away it keeps trying: a final row is not lost because its
caller was told 503."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from storage.errors import RowRefused, StorageError, StorageUnavailable
from storage.ledger.postgres import moment
from storage.ledger.sink import Line, latest, line
from storage.ledger_record import Record

RETRY_SECONDS = 0.05
Clock = Callable[[], float]


class Sink(Protocol):
    """`storage.ledger.postgres.PostgresSink`."""

    def write(self, lines: Sequence[Line], now: datetime) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Waiting:
    """A line on its way and who waits for it."""

    line: Line
    committed: asyncio.Future[None]


class Grouped:
    def __init__(self, open_sink: Callable[[], Sink], batch_rows: int, backlog_rows: int, clock: Clock) -> None:
        self._open_sink = open_sink
        self._batch_rows = batch_rows
        self._most = backlog_rows
        self._clock = clock
        self._backlog: deque[Waiting] = deque()
        self._changed = threading.Condition()
        self._closing_at: float | None = None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begin()

    @property
    def backlog_rows(self) -> int:
        return len(self._backlog)

    def write(self, record: Record, process_id: str) -> asyncio.Future[None]:
        """Done when it is committed. Raises as `Ledger.finish`."""
        waiting = Waiting(line(record, process_id, moment), self._loop.create_future())
        with self._changed:
            if len(self._backlog) >= self._most:
                raise StorageUnavailable("the ledger's backlog is full")
            self._backlog.append(waiting)
            self._changed.notify()
            if not self._is_working:
                self._begin()
        return waiting.committed

    async def close(self, patience_seconds: float) -> None:
        """What cannot be written by then fails for those who wait."""
        with self._changed:
            self._closing_at = time.monotonic() + patience_seconds
            self._changed.notify_all()
        await asyncio.to_thread(self._thread.join)

    def _begin(self) -> None:
        self._is_working = True
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    # the writer's thread, from here on

    def _work(self) -> None:
        sink, batch = self._open_sink(), list[Waiting]()
        try:
            while batch := self._take():
                self._commit(sink, batch)
                batch = []
        finally:
            sink.close()
            if batch:
                self._wake(batch, StorageUnavailable("the ledger's writer has failed"))
            with self._changed:  # what nobody had foreseen is in the log, and another thread goes on
                self._is_working = False
                if self._backlog:
                    self._begin()

    def _take(self) -> list[Waiting]:
        """Waits for something to write; nothing when the ledger is closed and its backlog empty."""
        with self._changed:
            while not self._backlog and self._closing_at is None:
                self._changed.wait()
            return [self._backlog.popleft() for _ in range(min(len(self._backlog), self._batch_rows))]

    def _commit(self, sink: Sink, batch: list[Waiting]) -> None:
        while True:
            try:
                sink.write(latest([one.line for one in batch]), datetime.fromtimestamp(self._clock(), UTC))
            except StorageUnavailable as error:
                if self._closing_at is not None and time.monotonic() > self._closing_at:
                    return self._wake(batch, error)
                time.sleep(RETRY_SECONDS)
            except RowRefused as error:
                if len(batch) == 1:
                    return self._wake(batch, error)
                for one in batch:
                    self._commit(sink, [one])
                return None
            else:
                return self._wake(batch, None)

    def _wake(self, batch: list[Waiting], error: StorageError | None) -> None:
        self._loop.call_soon_threadsafe(_resolve, batch, error)


def _resolve(batch: list[Waiting], error: StorageError | None) -> None:
    for one in batch:
        if not one.committed.done():
            if error is None:
                one.committed.set_result(None)
            else:
                one.committed.set_exception(error)
