"""Postgres' side: cursors to read, COPY to write, one transaction either way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson
from sqlalchemy import text

from storage.copying.schema import make, migrate
from storage.copying.shapes import LEFT_OUT, WORDS, Column, Kind, Pace, Row, Shape, converter, kind_of, ordered
from storage.copying.words import from_tsvector, to_tsvector
from storage.database import MIGRATION_LOCK, Database
from storage.errors import CopyRefused, StorageUnavailable

KINDS: dict[str, Kind] = {
    "character varying": "text",
    "text": "text",
    "integer": "integer",
    "bigint": "integer",
    "smallint": "integer",
    "double precision": "real",
    "boolean": "boolean",
    "timestamp with time zone": "instant",
    "jsonb": "document",
    "json": "document",
    "bytea": "bytes",
}
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL) AS declared
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY c.relname, a.attnum"""
KEYS = """
SELECT c.relname, a.attname
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
WHERE n.nspname = current_schema() AND i.indisprimary ORDER BY c.relname, k.place"""
REFERENCES = """
SELECT c.relname, other.relname AS referred
FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid JOIN pg_class other ON other.oid = r.confrelid
JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND r.contype = 'f'"""
INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)"""
"""Those that are no part of a table's own definition: they are made when the rows are there, which takes less."""
SCHEMA_OF_VECTORS = """
SELECT n.nspname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.typname = 'vector' AND to_regclass('search_pgvectors') IS NOT NULL"""
READ_WORDS = "SELECT chunk_no, document_no, length, words::text FROM search_words ORDER BY chunk_no"
READ_VECTORS = """
SELECT p.chunk_no, c.project_id, p.document_no, c.words, p.vector
FROM search_pgvectors p JOIN search_chunks c ON c.no = p.chunk_no ORDER BY p.chunk_no"""
VECTORS, PGVECTORS = "search_vectors", "search_pgvectors"
OURS = frozenset({WORDS.name, PGVECTORS})
"""Tables that are read and written in ways of their own."""


def _document(written: str) -> str:
    """In one order and without spaces, so that SQLite finds equal objects by their text."""
    return orjson.dumps(orjson.loads(written), option=orjson.OPT_SORT_KEYS).decode()


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


FROM: dict[Kind, Callable[[Any], Any]] = {"document": _document, "instant": _instant}
TO: dict[Kind, Callable[[Any], Any]] = {"instant": lambda written: datetime.fromisoformat(f"{written}+00:00")}


class PostgresSnapshot:
    """`connection` is in a transaction that sees one moment."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.revision = ""
        self._has_pgvector = False

    async def begin(self) -> None:
        schema = await self.connection.fetchval(SCHEMA_OF_VECTORS)
        self._has_pgvector = schema is not None
        if schema is not None:
            await self.connection.set_type_codec(
                "vector", schema=schema, encoder=_to_pgvector, decoder=_from_pgvector, format="binary"
            )
        await self.connection.set_type_codec(
            "tsvector", schema="pg_catalog", encoder=to_tsvector, decoder=bytes, format="binary"
        )

    async def shapes(self) -> Sequence[Shape]:
        columns: dict[str, list[Column]] = {}
        for table, name, declared in await self.connection.fetch(COLUMNS):
            if table not in LEFT_OUT | OURS:
                columns.setdefault(table, []).append(Column(name, kind_of(table, name, declared, KINDS)))
        keys: dict[str, list[str]] = {}
        for table, name in await self.connection.fetch(KEYS):
            keys.setdefault(table, []).append(name)
        references: dict[str, set[str]] = {table: set() for table in columns}
        for table, referred in await self.connection.fetch(REFERENCES):
            references[table].add(referred)
        found = [Shape(name, tuple(columns[name]), tuple(keys[name])) for name in ordered(references)]
        return [*found, WORDS] if VECTORS in columns else found

    async def rows(self, shape: Shape) -> AsyncIterator[list[Row]]:
        """By a cursor that is closed at the end, as one of the driver's own is not: no table that has one open can be
        altered in the transaction."""
        query, convert = self._reading(shape)
        cursor, pace = _quoted(f"copying {shape.name}"), Pace()
        await self.connection.execute(f"DECLARE {cursor} NO SCROLL CURSOR FOR {query}")
        while fetched := await self.connection.fetch(f"FETCH {pace.rows} FROM {cursor}"):
            rows = [convert(row) for row in fetched]
            pace.note(rows)
            yield rows
        await self.connection.execute(f"CLOSE {cursor}")

    async def sequences(self) -> Mapping[str, int]:
        last = {}
        for table, sequence in (await self._sequences()).items():
            number, is_called = await self.connection.fetchrow(f"SELECT last_value, is_called FROM {sequence}")
            last[table] = number if is_called else 0
        return {table: number for table, number in last.items() if number}

    async def _sequences(self) -> dict[str, str]:
        """The sequence of each table whose key counts by itself."""
        found = {}
        for shape in await self.shapes():
            if len(shape.key) == 1 and shape != WORDS:
                query = "SELECT pg_get_serial_sequence($1, $2)"
                name = await self.connection.fetchval(query, _quoted(shape.name), shape.key[0])
                if name is not None:
                    found[shape.name] = name
        return found

    def _home(self, shape: Shape) -> str:
        """The table in which such rows are."""
        return PGVECTORS if shape.name == VECTORS and self._has_pgvector else shape.name

    def _reading(self, shape: Shape) -> tuple[str, Callable[[Sequence[Any]], Row]]:
        if shape == WORDS:
            return READ_WORDS, converter(shape, {"text": from_tsvector})
        if shape.name == VECTORS and self._has_pgvector:
            return READ_VECTORS, tuple
        kinds = {column.name: column.kind for column in shape.columns}
        columns = ", ".join(_quoted(name) + ("::text" if kinds[name] == "document" else "") for name in shape.names)
        key = ", ".join(_quoted(name) + (' COLLATE "C"' if kinds[name] == "text" else "") for name in shape.key)
        return f"SELECT {columns} FROM {_quoted(shape.name)} ORDER BY {key}", converter(shape, FROM)


class PostgresLoad(PostgresSnapshot):
    async def write(self, shape: Shape, rows: Sequence[Row]) -> None:
        convert, names = converter(shape, TO), shape.names
        records = [convert(row) for row in rows]
        if self._home(shape) == PGVECTORS:
            names, records = ("chunk_no", "document_no", "vector"), [(row[0], row[2], row[4]) for row in rows]
        try:
            await self.connection.copy_records_to_table(self._home(shape), columns=names, records=records)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, OverflowError) as error:
            where = getattr(error, "where", None) or f"after the key {shape.key_of(rows[0])}"
            raise CopyRefused(f"Postgres cannot hold a row of {shape.name}: {error} ({where})") from error

    async def count_on(self, sequences: Mapping[str, int]) -> None:
        for table, sequence in (await self._sequences()).items():
            if table in sequences:
                await self.connection.execute("SELECT setval($1::regclass, $2)", sequence, sequences[table])


@asynccontextmanager
async def postgres_snapshot(dsn: str) -> AsyncIterator[PostgresSnapshot]:
    """Raises `CopyRefused` when it has no tables of ours."""
    with _translated():
        connection = await asyncpg.connect(dsn)
    try:
        with _translated():
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
                    raise CopyRefused("there is nothing to copy in the database")
                snapshot = PostgresSnapshot(connection)
                snapshot.revision = await connection.fetchval("SELECT version_num FROM alembic_version")
                await snapshot.begin()
                yield snapshot
    finally:
        await connection.close()


@asynccontextmanager
async def postgres_load(database: Database, revision: str) -> AsyncIterator[PostgresLoad]:
    """Fills the database, and brings it up to this version's schema, in one transaction that commits when the block
    ends. Raises `CopyRefused` when it is not empty."""
    async with database.writing() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        connection = (await tx.get_raw_connection()).driver_connection
        assert connection is not None
        load = PostgresLoad(connection)
        load.revision = revision
        if not await _is_made(load):
            await tx.run_sync(lambda sync: make(sync, revision))
        await load.begin()
        with _translated():
            indexes = await connection.fetch(INDEXES)
            for name, _ in indexes:
                await connection.execute(f"DROP INDEX {name}")
            yield load
            for _, statement in indexes:
                await connection.execute(statement)
        await tx.run_sync(migrate)


async def check_empty(database: Database, revision: str) -> None:
    """Whether rows of that revision could be written into it. Raises `CopyRefused`."""
    async with database.reading() as reader:
        connection = (await reader.get_raw_connection()).driver_connection
        assert connection is not None
        load = PostgresLoad(connection)
        load.revision = revision
        with _translated():
            await _is_made(load)


async def _is_made(load: PostgresLoad) -> bool:
    """Whether the tables are there, as they must be; they must be empty. Raises `CopyRefused`."""
    tables = {table for table, _, _ in await load.connection.fetch(COLUMNS)}
    if not tables:
        return False
    made = "alembic_version" in tables
    revision = await load.connection.fetchval("SELECT version_num FROM alembic_version") if made else None
    if revision != load.revision:
        raise CopyRefused(f"the database has tables of revision {revision}, not of {load.revision}: give an empty one")
    for shape in await load.shapes():
        if await load.connection.fetchval(f"SELECT EXISTS (SELECT FROM {_quoted(shape.name)})"):
            raise CopyRefused(f"the database is not empty: there are rows in {shape.name}")
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _to_pgvector(vector: bytes) -> bytes:
    import numpy as np

    numbers = np.frombuffer(vector, "<f4")
    return len(numbers).to_bytes(2, "big") + bytes(2) + numbers.astype(">f4").tobytes()


def _from_pgvector(vector: bytes) -> bytes:
    import numpy as np

    return np.frombuffer(vector, ">f4", offset=4).astype("<f4").tobytes()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise StorageUnavailable(f"Postgres fails: {error}") from error
