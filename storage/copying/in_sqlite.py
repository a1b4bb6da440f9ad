"""SQLite's side, by the standard library's driver in threads."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL

from storage.copying.schema import make, migrate
from storage.copying.shapes import LEFT_OUT, WORDS, Column, Kind, Pace, Row, Shape, converter, kind_of, ordered
from storage.copying.words import from_repeated, to_repeated
from storage.database import Database
from storage.disk import sync
from storage.errors import CopyRefused, StorageUnavailable
from storage.ledger import journal

Answer = TypeVar("Answer")

KINDS: dict[str, Kind] = {
    "varchar": "text",
    "text": "text",
    "integer": "integer",
    "bigint": "integer",
    "float": "real",
    "boolean": "boolean",
    "datetime": "instant",
    "json": "document",
    "blob": "bytes",
}
READ_WORDS = """
SELECT w.rowid, c.document_no, c.words, w.words FROM search_words w JOIN search_chunks c ON c.no = w.rowid
ORDER BY w.rowid"""
WRITE_WORDS = "INSERT INTO search_words (rowid, words) VALUES (?, ?)"
INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
"""Those that are no part of a table's own definition: they are made when the rows are there, which takes less."""
VIRTUAL = "CREATE VIRTUAL TABLE"
UNFINISHED = ".restoring~"


def _moment(text: str) -> str:
    """A moment that was written without its fraction, by hand, say."""
    return text if len(text) == 26 else f"{text[:19]}.{text[20:]:0<6}"


FROM: dict[Kind, Callable[[Any], Any]] = {"boolean": bool, "instant": _moment, "real": float}


class SqliteSnapshot:
    """A reading transaction, which in write-ahead mode sees one moment however long it takes; writers go on."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.revision = ""

    async def shapes(self) -> Sequence[Shape]:
        return await _away(lambda: list(_shapes(self.connection)))

    async def rows(self, shape: Shape) -> AsyncIterator[list[Row]]:
        query, convert = READ_WORDS, converter(shape, {"text": from_repeated})
        if shape != WORDS:
            columns, key = (", ".join(map(_quoted, names)) for names in (shape.names, shape.key))
            query = f"SELECT {columns} FROM {_quoted(shape.name)} ORDER BY {key}"
            convert = converter(shape, FROM)
        cursor, pace = await _away(lambda: self.connection.execute(query)), Pace()
        while rows := await _away(lambda: [convert(row) for row in cursor.fetchmany(pace.rows)]):
            pace.note(rows)
            yield rows

    async def sequences(self) -> Mapping[str, int]:
        return await _away(lambda: _sequences(self.connection))


class SqliteLoad(SqliteSnapshot):
    async def write(self, shape: Shape, rows: Sequence[Row]) -> None:
        if shape == WORDS:
            await _away(lambda: self.connection.executemany(WRITE_WORDS, [(r[0], to_repeated(r[3])) for r in rows]))
            return
        columns, places = ", ".join(map(_quoted, shape.names)), ", ".join("?" for _ in shape.columns)
        statement = f"INSERT INTO {_quoted(shape.name)} ({columns}) VALUES ({places})"
        await _away(lambda: self.connection.executemany(statement, rows))

    async def count_on(self, sequences: Mapping[str, int]) -> None:
        """Of tables that never give a number twice."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
        counting = await _away(lambda: self.connection.execute(query).fetchall())
        last = [(name, sequences[name]) for (name,) in counting if name in sequences]
        if counting:
            await _away(lambda: self._count_on(last))

    def _count_on(self, last: list[tuple[str, int]]) -> None:
        self.connection.executemany("DELETE FROM sqlite_sequence WHERE name = ?", [(name,) for name, _ in last])
        self.connection.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", last)


@asynccontextmanager
async def sqlite_snapshot(path: Path) -> AsyncIterator[SqliteSnapshot]:
    """Raises `CopyRefused` when it has no tables of ours."""
    with _translated(), closing(_connect(path)) as connection:
        connection.execute("BEGIN")
        snapshot = SqliteSnapshot(connection)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "alembic_version" not in tables:
            raise CopyRefused(f"there is nothing to copy in {path}")
        snapshot.revision = str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
        yield snapshot


@asynccontextmanager
async def sqlite_load(path: Path, revision: str) -> AsyncIterator[SqliteLoad]:
    """Fills a file beside the database, brings it up to this version's schema, and gives it its name when the block
    ends: until then there is no database. Raises `CopyRefused` when there is one already."""
    check_absent(path)
    draft = path.with_name(path.name + UNFINISHED)
    _remove(draft)
    try:
        await _prepare(draft, revision)
        with _translated(), closing(_connect(draft)) as connection:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-32768"):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN")
            load = SqliteLoad(connection)
            load.revision = revision
            indexes = connection.execute(INDEXES).fetchall()
            for name, _ in indexes:
                connection.execute(f"DROP INDEX {_quoted(name)}")
            yield load
            for _, statement in indexes:
                await _away(lambda statement=statement: connection.execute(statement))  # type: ignore[misc]
            _check_references(connection)
            connection.execute("COMMIT")
        await _complete(draft)
        check_absent(path)
        os.replace(draft, path)
        sync(path.parent)
    finally:
        _remove(draft)


def check_absent(path: Path) -> None:
    """Raises `CopyRefused`. A file without a table counts as none."""
    for beside in (path.with_name(f"{path.stem}-jobs{path.suffix}"), path.with_name(f"{path.name}-wal")):
        if beside.exists() and beside.stat().st_size:
            raise CopyRefused(f"there is something already: {beside}")
    if next(journal.folders(path), None) is not None:
        raise CopyRefused(f"there are records of another database: {journal.home(path)}")
    if path.exists() and path.stat().st_size:
        with _translated(), closing(_connect(path)) as connection:
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise CopyRefused(f"there is a database already: {path}")


async def _prepare(draft: Path, revision: str) -> None:
    database = _database(draft)
    try:
        async with database.writing() as tx:
            await tx.run_sync(lambda connection: make(connection, revision))
    finally:
        await database.close()


async def _complete(draft: Path) -> None:
    """In the order that matters: migrated, out of any log, on the disk."""
    database = _database(draft)
    try:
        async with database.writing() as tx:
            await tx.run_sync(migrate)
    finally:
        await database.close()
    with draft.open("rb") as file:
        await asyncio.to_thread(os.fsync, file.fileno())


def _database(path: Path) -> Database:
    return Database.open(URL.create("sqlite", database=str(path)).render_as_string())


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=20)


async def _away(work: Callable[[], Answer]) -> Answer:
    return await asyncio.to_thread(work)


def _shapes(connection: sqlite3.Connection) -> Iterator[Shape]:
    created = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'"))
    virtual = {name for name, sql in created.items() if sql and sql.startswith(VIRTUAL)}
    behind = tuple(f"{name}_" for name in virtual)
    names = [n for n in created if n not in virtual | LEFT_OUT and not n.startswith((*behind, "sqlite_"))]
    references = {
        name: {row[2] for row in connection.execute(f"PRAGMA foreign_key_list({_quoted(name)})")} for name in names
    }
    for name in ordered(references):
        info = connection.execute(f"PRAGMA table_info({_quoted(name)})").fetchall()
        columns = tuple(Column(row[1], kind_of(name, row[1], row[2], KINDS)) for row in info)
        yield Shape(name, columns, tuple(row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]))
    if WORDS.name in virtual:
        yield WORDS


def _sequences(connection: sqlite3.Connection) -> dict[str, int]:
    last = {}
    for shape in _shapes(connection):
        kinds = {column.name: column.kind for column in shape.columns}
        if shape != WORDS and [kinds[name] for name in shape.key] == ["integer"]:
            query = f"SELECT max({_quoted(shape.key[0])}) FROM {_quoted(shape.name)}"
            last[shape.name] = connection.execute(query).fetchone()[0] or 0
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
        for name, number in connection.execute("SELECT name, seq FROM sqlite_sequence"):
            last[name] = max(number, last.get(name, 0))
    return {name: number for name, number in last.items() if number}


def _check_references(connection: sqlite3.Connection) -> None:
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise CopyRefused(f"a row of {broken[0]} refers to one of {broken[2]} that is not there")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _remove(draft: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as error:
        raise CopyRefused(f"SQLite cannot hold a row: {error}") from error
    except (sqlite3.Error, OSError) as error:
        raise StorageUnavailable(f"SQLite fails: {error}") from error
