"""Lookups in Postgres: statements that asyncpg keeps prepared, on connections that nothing else is done on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg
from asyncpg.exceptions._base import DataError as InvalidArgument
from sqlalchemy import Dialect

from storage.errors import RowRefused, StorageUnavailable
from storage.lookups.lookup import Found, Lookup, Statement, write
from storage.tables.types import load_json

MOST_CONNECTIONS = 4
CONNECT_TIMEOUT_SECONDS = 10.0
WAIT_TIMEOUT_SECONDS = 30.0
CLOSE_TIMEOUT_SECONDS = 5.0

REFUSED = (InvalidArgument, asyncpg.DataError, UnicodeEncodeError)
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)


class PostgresLookups:
    """Used on one event loop. Connects when there is something to find, and again when a connection was lost."""

    def __init__(self, dsn: str, dialect: Dialect) -> None:
        self._dsn = dsn
        self._dialect = dialect
        self._statements: dict[Lookup[Any], Statement[Any]] = {}
        self._pool: asyncpg.Pool | None = None

    async def find(self, lookup: Lookup[Found], key: tuple[str, ...]) -> list[Found]:
        statement = self._statements.get(lookup)
        if statement is None:
            statement = self._statements[lookup] = write(lookup, self._dialect)
        try:
            pool = self._pool or await self._open()
            async with pool.acquire(timeout=WAIT_TIMEOUT_SECONDS) as connection:
                rows = await connection.fetch(statement.sql, *key)
        except REFUSED as error:
            raise RowRefused(str(error)) from error
        except AWAY as error:
            raise StorageUnavailable(f"the database fails: {error}") from error
        return [statement.read(row) for row in rows]

    async def close(self) -> None:
        if self._pool is not None:
            with suppress(*AWAY):
                async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                    await self._pool.close()  # cuts what is left when it does not come to its end

    async def _open(self) -> asyncpg.Pool:
        pool = asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=MOST_CONNECTIONS,
            timeout=CONNECT_TIMEOUT_SECONDS,
            init=_prepare,
            reset=_leave,
        )
        self._pool = await pool
        return pool


async def _prepare(connection: asyncpg.Connection) -> None:
    """Documents are read as SQLAlchemy has them read."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=load_json)


async def _leave(_: asyncpg.Connection) -> None:
    """Reads leave nothing behind that a connection would have to be put in order after."""
