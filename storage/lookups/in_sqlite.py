"""Lookups in SQLite. A row that is in memory is found in ten microseconds, less than the way to a thread takes; but
nothing tells beforehand that it is in memory and not on a slow disk, or how large it is, so that on the event loop it
might hold up everybody. So a thread reads, on a connection of its own, and one way to it and back serves all that are
waited for: with a few clients at once that costs no more than reading on the loop."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import Dialect

from storage.errors import RowRefused, StorageError, StorageUnavailable
from storage.lookups.lookup import Found, Lookup, Statement, write

BUSY_TIMEOUT_SECONDS = 5.0

Rows: TypeAlias = Sequence[Sequence[Any]]


UNREAD = StorageUnavailable("the database was not read")


class Waiting:
    """One lookup: `sql` with the texts of a key, and who waits for its rows."""

    __slots__ = ("future", "key", "outcome", "sql")

    def __init__(self, sql: str, key: tuple[str, ...], future: asyncio.Future[Rows]) -> None:
        self.sql = sql
        self.key = key
        self.future = future
        self.outcome: Rows | StorageError = UNREAD


class SqliteLookups:
    """Used on one event loop."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path = path
        self._dialect = dialect
        self._statements: dict[Lookup[Any], Statement[Any]] = {}
        self._waiting: list[Waiting] = []
        self._is_reading = False
        self._thread = ThreadPoolExecutor(1, "lookups")
        self._connection: sqlite3.Connection | None = None

    async def find(self, lookup: Lookup[Found], key: tuple[str, ...]) -> list[Found]:
        statement = self._statements.get(lookup)
        if statement is None:
            statement = self._statements[lookup] = write(lookup, self._dialect)
        loop = asyncio.get_running_loop()
        waiting = Waiting(statement.sql, key, loop.create_future())
        self._waiting.append(waiting)
        if not self._is_reading:
            self._is_reading = True
            loop.call_soon(self._begin, loop)  # with what else is asked for in this turn
        return [statement.read(row) for row in await waiting.future]

    async def close(self) -> None:
        await asyncio.to_thread(self._end)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        taken, self._waiting = self._waiting, []
        try:
            self._thread.submit(self._read_all, taken, loop)
        except RuntimeError:  # it was closed
            self._answer(taken, loop)

    def _answer(self, taken: list[Waiting], loop: asyncio.AbstractEventLoop) -> None:
        for one in taken:
            if one.future.done():  # whoever asked has gone
                continue
            if isinstance(one.outcome, StorageError):
                one.future.set_exception(one.outcome)
            else:
                one.future.set_result(one.outcome)
        self._is_reading = bool(self._waiting)
        if self._is_reading:
            self._begin(loop)

    # the thread, from here on

    def _read_all(self, taken: list[Waiting], loop: asyncio.AbstractEventLoop) -> None:
        try:
            for one in taken:
                one.outcome = self._read(one)
        finally:  # whatever happens, nobody waits for ever
            with suppress(RuntimeError):  # a loop that was closed has nobody who waits
                loop.call_soon_threadsafe(self._answer, taken, loop)

    def _read(self, one: Waiting) -> Rows | StorageError:
        try:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection.execute(one.sql, one.key).fetchall()
        except (UnicodeEncodeError, sqlite3.DataError) as error:
            return RowRefused(str(error))
        except sqlite3.Error as error:
            self._disconnect()
            return StorageUnavailable(f"the database fails: {error}")

    def _connect(self) -> sqlite3.Connection:
        """To a database that there is: it makes none."""
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _end(self) -> None:
        self._thread.shutdown()
        self._disconnect()
