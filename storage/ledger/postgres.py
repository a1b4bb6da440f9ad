"""The ledger's Postgres writer: one asyncpg connection on an event loop of the ledger's own thread, so that encoding
hundreds of rows does not hold up the server's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import asyncpg
from asyncpg.exceptions._base import DataError as InvalidArgument

from storage.errors import RowRefused, StorageUnavailable
from storage.ledger import tally
from storage.ledger.sink import Line, companions, debit, inserts, totals, upsert

UPSERT = upsert(lambda number: f"${number}")
INSERTS = inserts(lambda number: f"${number}")
CHOSEN = "= ANY($1::text[])"
DEBIT = debit(chosen=CHOSEN, now="$2")
# locked, so that what another process thinks of a request is not changed between a look and a count
KNOWN = tally.known(CHOSEN, "ORDER BY request_id FOR UPDATE")
COUNT, DROP = (tally.tally("postgresql", CHOSEN, sign) for sign in (1, -1))
BALANCE = "UPDATE credit_accounts SET balance_micros = balance_micros + $1 WHERE project_id = $2"

CONNECT_TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 10.0

AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,  # a primary that became a standby
    asyncpg.TransactionRollbackError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that was cut at an unlucky moment
    OSError,
    TimeoutError,
)


def moment(time: datetime) -> datetime:
    return time


class PostgresSink:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection | None = None

    def write(self, lines: Sequence[Line], now: datetime) -> None:
        """As that of `storage.ledger.sqlite.SqliteSink`."""
        self._runner.run(self._write(lines, now))

    def close(self) -> None:
        self._runner.run(self._disconnect())
        self._runner.close()

    async def _write(self, lines: Sequence[Line], now: datetime) -> None:
        connection = await self._connect()
        try:
            async with connection.transaction():
                known = await connection.fetch(KNOWN, tally.finals(lines))
                change = tally.change(lines, {row[0]: row[1] for row in known})
                await self._tally(connection, DROP, change.dropped)
                await connection.executemany(UPSERT, [line.values for line in lines])
                await self._tally(connection, COUNT, change.counted)
                for kind, rows in companions(lines).items():
                    await connection.executemany(INSERTS[kind], rows)
                await self._debit(connection, [line.request_id for line in lines if line.billed], now)
        except InvalidArgument as error:
            raise RowRefused(str(error)) from error
        except AWAY as error:
            await self._disconnect()
            raise StorageUnavailable(f"the ledger cannot write: {error}") from error
        except asyncpg.PostgresError as error:
            raise RowRefused(str(error)) from error

    async def _connect(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await asyncpg.connect(
                    self._dsn, timeout=CONNECT_TIMEOUT_SECONDS, command_timeout=COMMAND_TIMEOUT_SECONDS
                )
            except (asyncpg.PostgresError, *AWAY) as error:
                raise StorageUnavailable(f"the ledger cannot connect: {error}") from error
        return self._connection

    async def _tally(self, connection: asyncpg.Connection, statements: tuple[str, ...], request_ids: list[str]) -> None:
        for statement in statements if request_ids else ():
            await connection.execute(statement, request_ids)

    async def _debit(self, connection: asyncpg.Connection, request_ids: list[str], now: datetime) -> None:
        if request_ids:
            entries = await connection.fetch(DEBIT, request_ids, now)
            await connection.executemany(BALANCE, totals([tuple(entry) for entry in entries]))

    async def _disconnect(self) -> None:
        """A connection that failed may be in any state: it is cut, not closed politely."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
