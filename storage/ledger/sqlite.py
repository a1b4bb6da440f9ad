"""The ledger's SQLite writer: the standard library's driver, in a process that does nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from storage.errors import RowRefused, StorageUnavailable
from storage.ledger import tally
from storage.ledger.sink import Line, companions, debit, inserts, totals, upsert

UPSERT = upsert(lambda number: f"?{number}")
INSERTS = inserts(lambda number: f"?{number}")
CHOSEN = "IN (SELECT value FROM json_each(?1))"
DEBIT = debit(chosen=CHOSEN, now="?2")
KNOWN = tally.known(CHOSEN)
COUNT, DROP = (tally.tally("sqlite", CHOSEN, sign) for sign in (1, -1))
BALANCE = "UPDATE credit_accounts SET balance_micros = balance_micros + ? WHERE project_id = ?"
ANY_ACCOUNT = "SELECT 1 FROM credit_accounts LIMIT 1"

BUSY_TIMEOUT_MS = 200
"""Short: who writes tries again by itself."""
CACHE_KIB = 16_384
"""Room for the ends of the indices, which is where most rows go."""


def moment(time: datetime) -> str:
    """As `storage.tables.types.Instant` writes it to SQLite."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


class SqliteSink:
    """Every commit is in the operating system's hands when `write` returns. It is not on the disk: until it is, the
    journal keeps its rows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.connection: sqlite3.Connection | None = None

    def write(self, lines: Sequence[Line], now: datetime) -> None:
        """All lines or none. Raises `StorageUnavailable` when a later attempt may succeed, and `RowRefused` when one of
        them can never be written."""
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
            known = connection.execute(KNOWN, (_json(tally.finals(lines)),)).fetchall()
            change = tally.change(lines, dict(known))
            self._tally(connection, DROP, change.dropped)
            connection.executemany(UPSERT, [line.values for line in lines])
            self._tally(connection, COUNT, change.counted)
            for kind, rows in companions(lines).items():
                connection.executemany(INSERTS[kind], rows)
            self._debit(connection, [line.request_id for line in lines if line.billed], now)
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._roll_back()
            raise StorageUnavailable(f"the ledger cannot write: {error}") from error
        except (sqlite3.Error, ValueError, OverflowError) as error:
            self._roll_back()
            raise RowRefused(str(error)) from error

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _connect(self) -> sqlite3.Connection:
        if self.connection is None:
            connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            connection.execute("PRAGMA synchronous=NORMAL")
            self.connection = connection
        return self.connection

    def _tally(self, connection: sqlite3.Connection, statements: tuple[str, ...], request_ids: list[str]) -> None:
        for statement in statements if request_ids else ():
            connection.execute(statement, (_json(request_ids),))

    def _debit(self, connection: sqlite3.Connection, request_ids: list[str], now: datetime) -> None:
        if request_ids and connection.execute(ANY_ACCOUNT).fetchone():
            entries = connection.execute(DEBIT, (_json(request_ids), moment(now))).fetchall()
            connection.executemany(BALANCE, totals(entries))

    def _roll_back(self) -> None:
        if self.connection is not None and self.connection.in_transaction:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")


def _json(request_ids: list[str]) -> str:
    return orjson.dumps(request_ids).decode()
