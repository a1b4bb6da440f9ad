"""One open database: SQLite in a file, or Postgres.

Every repository and the ledger stand on a `Database`. Its contexts raise only `storage.errors`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

from sqlalchemy import URL, Connection, Table, event, inspect, make_url, text
from sqlalchemy import exc as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from storage.errors import RowRefused, SchemaMismatch, StorageConflict, StorageUnavailable
from storage.ledger.settle import settle
from storage.lookups.in_sqlite import SqliteLookups
from storage.lookups.lookup import Found, Lookup, Lookups
from storage.migrations import HEAD, REVISIONS
from storage.tables.types import load_json

Transaction: TypeAlias = AsyncConnection
"""What a repository's write takes, so that several writes commit together."""

BUSY_TIMEOUT_SECONDS = 5.0
SWITCH_RETRY_SECONDS = 0.02
CONNECT_TIMEOUT_SECONDS = 10.0
CONNECTIONS = 15
CONNECTIONS_KEPT = 5
"""Of those, how many stay open when they are not needed."""
MIGRATION_LOCK = 0x636F6E63
"""The key of the Postgres advisory lock under which one process at a time migrates."""

# FULL, because keys and money live here: what was acknowledged must survive the power going
PRAGMAS = (
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={int(BUSY_TIMEOUT_SECONDS * 1000)}",
)

UNSTORABLE = ("22", "54")
"""The classes of SQLSTATE codes for values that a type cannot hold, and that are beyond a limit (an indexed text)."""

Away: TypeAlias = tuple[type[Exception], ...]
AWAY: Away = (sa.OperationalError, sa.InterfaceError, sa.InternalError, sa.TimeoutError, OSError)


class Database:
    """Opens lazily: making one touches nothing but an SQLite file, which it makes, and its folder, for nobody else to
    read.

    `reading()` sees each statement on its own; `writing()` is one transaction, which on SQLite holds the write lock
    from its first statement on.
    """

    def __init__(self, url: URL, connections: int = CONNECTIONS) -> None:
        self.url = url
        self.dialect: Literal["sqlite", "postgresql"] = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        self._engine = _sqlite_engine(url) if self.dialect == "sqlite" else _postgres_engine(self.dsn, connections)
        self._reader, self._away = self._engine, AWAY
        self._lookups: Lookups
        if self.dialect == "sqlite":
            self._lookups = SqliteLookups(self.path, self._engine.dialect)
        else:
            from asyncpg import InternalClientError

            from storage.lookups.in_postgres import PostgresLookups

            self._lookups = PostgresLookups(self.dsn, self._engine.dialect)
            self._away = (*AWAY, InternalClientError)  # of a connection that was cut at an unlucky moment
            self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._writer = self._engine.execution_options(writing=True)

    @classmethod
    def open(cls, url: str, connections: int = CONNECTIONS, *, is_made: bool = True) -> Database:
        """`sqlite+aiosqlite:///path` (or `sqlite:///path`) or `postgresql://...` with libpq's parameters, and with
        at most so many `connections`.

        Raises `ValueError` for any other URL, and for an SQLite database in memory, which no second connection shares;
        `StorageUnavailable` when there cannot be such a file, which is made unless `is_made` is false.
        """
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ValueError(f"no such kind of database: {parsed.get_backend_name()}")
        if parsed.get_backend_name() == "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise ValueError("an SQLite database needs a file")
            if is_made:
                _make_file(Path(str(parsed.database)))
            return cls(parsed.set(drivername="sqlite+aiosqlite"))
        return cls(parsed.set(drivername="postgresql"), connections)

    @property
    def path(self) -> Path:
        """The file of an SQLite database."""
        return Path(str(self.url.database))

    @property
    def dsn(self) -> str:
        """A Postgres database's address as libpq and asyncpg read it; it holds the password."""
        return self.url.render_as_string(hide_password=False)

    @asynccontextmanager
    async def reading(self, tx: Transaction | None = None, *, settled: bool = False) -> AsyncIterator[AsyncConnection]:
        """Reads inside `tx` when given one. `settled` is for tables that the ledger writes: all that was acknowledged
        before is seen then."""
        if tx is not None:
            yield tx
            return
        if settled:
            await self.settle()
        async with _translated(self._reader.connect(), self._away) as connection:
            yield connection

    async def find(self, lookup: Lookup[Found], *key: str) -> Found | None:
        """The only row, or the first, that has this key. Outside of every transaction, and quicker than `reading`,
        which can do the same. Raises as `storage.lookups.lookup.Lookups`."""
        found = await self._lookups.find(lookup, key)
        return found[0] if found else None

    async def find_all(self, lookup: Lookup[Found], *key: str) -> list[Found]:
        """For keys that have few rows; otherwise as `find`."""
        return await self._lookups.find(lookup, key)

    async def settle(self) -> None:
        """Returns when the ledger's rows are in their tables, those of other processes, too; not to be called within a
        transaction, which would keep them out."""
        if self.dialect == "sqlite":
            await settle(self.path)

    @asynccontextmanager
    async def writing(self, *, settled: bool = False) -> AsyncIterator[Transaction]:
        """Commits when the block ends, rolls back when it raises. `settled` as for `reading`."""
        if settled:
            await self.settle()
        async with _translated(self._writer.begin(), self._away) as connection:
            yield connection

    async def revision(self) -> str | None:
        """The schema's revision, None for an empty database."""
        async with self.reading() as connection:
            if not await connection.run_sync(lambda sync: inspect(sync).has_table("alembic_version")):
                return None
            found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
            return None if found is None else str(found)

    async def ensure_current(self) -> None:
        """An SQLite schema that is behind is upgraded; a Postgres one raises `SchemaMismatch`, as one from a newer
        version does on either."""
        found = await self.revision()
        if found == HEAD:
            return
        if found is not None and found not in REVISIONS:
            raise SchemaMismatch(f"the database's schema is at revision {found}, which this version does not know")
        if self.dialect == "postgresql":
            raise SchemaMismatch(
                f"the database's schema is {'empty' if found is None else f'at revision {found}'} and this version"
                f" needs {HEAD}: run `concordat db upgrade`"
            )
        await self.upgrade()

    async def upgrade(self) -> None:
        """Migrates to `HEAD`, one process at a time; the others wait and find it done."""
        async with self.writing() as connection:
            if self.dialect == "postgresql":
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_bring_up)

    def insert(self, table: Table) -> Insert:
        """An INSERT that knows ON CONFLICT, which SQLite and Postgres spell alike and SQLAlchemy twice."""
        return sqlite.insert(table) if self.dialect == "sqlite" else cast(Insert, postgresql.insert(table))

    async def close(self) -> None:
        await self._lookups.close()
        await self._engine.dispose()


def _bring_up(connection: Connection) -> None:
    """An empty database gets all tables at once, which is quicker than their history and gives the same."""
    if inspect(connection).get_table_names():
        from storage.migrations.run import upgrade

        upgrade(connection)
    else:
        from storage.migrations.fresh import create

        create(connection)


def _make_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise StorageUnavailable(f"cannot make the database {path}: {error.strerror}") from error


def _sqlite_engine(url: URL) -> AsyncEngine:
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # the driver's own BEGIN would be deferred: a reader that turns writer then fails at once instead of waiting
        connection.isolation_level = None
        cursor = connection.cursor()
        _switch_to_wal(cursor)
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        if connection.get_execution_options().get("writing"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _switch_to_wal(cursor: Any) -> None:
    """Of several processes that open a new file at once all but one are told at once that it is locked: for this
    switch SQLite does not wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            await_only(asyncio.sleep(SWITCH_RETRY_SECONDS))


def _postgres_engine(dsn: str, connections: int) -> AsyncEngine:
    async def connect(*_: object, **__: object) -> Any:
        import asyncpg

        try:
            return await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise StorageUnavailable(f"cannot connect to Postgres: {error}") from error

    kept = min(CONNECTIONS_KEPT, connections)
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        json_deserializer=load_json,
        pool_size=kept,
        max_overflow=connections - kept,
    )


@asynccontextmanager
async def _translated(connecting: Any, away: Away) -> AsyncIterator[AsyncConnection]:
    try:
        async with connecting as connection:
            yield connection
    except sa.IntegrityError as error:
        raise StorageConflict(str(error.orig)) from error
    except (sa.DataError, UnicodeEncodeError, OverflowError) as error:
        raise RowRefused(str(error)) from error
    except away as error:
        raise StorageUnavailable(_reason(error)) from error
    except sa.ProgrammingError:
        raise  # our own fault, on Postgres
    except sa.DBAPIError as error:
        # what asyncpg raises and SQLAlchemy does not sort: values it cannot send, and Postgres' own refusals
        refused = isinstance(getattr(error.orig, "__cause__", None), ValueError)
        if refused or str(getattr(error.orig, "sqlstate", "")).startswith(UNSTORABLE):
            raise RowRefused(str(error.orig)) from error
        raise StorageUnavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Without the statement and its values."""
    return f"the database fails: {getattr(error, 'orig', None) or error}"
