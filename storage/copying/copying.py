"""A database to another, to an archive, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from storage.copying.archive import ArchiveReader, ArchiveWriter, Table, in_thread
from storage.copying.comparing import Difference, differences
from storage.copying.in_postgres import PostgresLoad, PostgresSnapshot, postgres_load, postgres_snapshot
from storage.copying.in_sqlite import SqliteLoad, SqliteSnapshot, sqlite_load, sqlite_snapshot
from storage.copying.shapes import Load, Row, Shape, Snapshot
from storage.database import Database
from storage.errors import CopyRefused

Note: TypeAlias = Callable[[Shape, Sequence[Row]], None]

SHOWN = 20
"""Differences that are told one by one."""


def snapshot_of(database: Database) -> AbstractAsyncContextManager[SqliteSnapshot | PostgresSnapshot]:
    return sqlite_snapshot(database.path) if database.dialect == "sqlite" else postgres_snapshot(database.dsn)


def load_into(database: Database, revision: str) -> AbstractAsyncContextManager[SqliteLoad | PostgresLoad]:
    """What is written is there when the block ends, and nothing of it when it raises."""
    return sqlite_load(database.path, revision) if database.dialect == "sqlite" else postgres_load(database, revision)


class ArchiveSnapshot:
    """An archive as if it were a database."""

    def __init__(self, archive: ArchiveReader) -> None:
        self.archive = archive
        self.revision = archive.manifest.revision

    async def shapes(self) -> Sequence[Shape]:
        return [table.shape for table in self.archive.manifest.tables]

    async def rows(self, shape: Shape) -> AsyncIterator[list[Row]]:
        async for rows in in_thread(self.archive.rows(shape)):
            yield rows

    async def sequences(self) -> dict[str, int]:
        return dict(self.archive.manifest.sequences)


async def copy(source: Snapshot, load: Load) -> int:
    """All rows, in one go; answers how many. Raises `CopyRefused`, also when the copy is not as the source."""
    shapes = await source.shapes()
    await _check_shapes(shapes, load)
    count = 0
    for shape in shapes:
        async for rows in source.rows(shape):
            await load.write(shape, rows)
            count += len(rows)
    await load.count_on(await source.sequences())
    found = [difference async for difference in compare(source, load)]
    if found:
        told = "\n".join(map(str, found[:SHOWN]))
        raise CopyRefused(f"{len(found)} rows are not as they were, so nothing was kept:\n{told}")
    return count


async def compare(source: Snapshot, copied: Snapshot) -> AsyncIterator[Difference]:
    for shape in await source.shapes():
        async for difference in differences(shape, source.rows(shape), copied.rows(shape)):
            yield difference


async def save(source: Snapshot, archive: ArchiveWriter, note: Note) -> list[Table]:
    """All rows into an archive; `note` is shown them on their way."""
    tables = []
    for shape in await source.shapes():
        count = 0
        with archive.part(f"tables/{shape.name}.jsonl") as part:
            async for rows in source.rows(shape):
                await asyncio.to_thread(part.write_rows, shape, rows)
                note(shape, rows)
                count += len(rows)
        tables.append(Table(shape, count))
    return tables


async def _check_shapes(shapes: Sequence[Shape], load: Load) -> None:
    """The columns may stand in another order."""
    there = {shape.name: frozenset(shape.columns) for shape in await load.shapes()}
    for shape in shapes:
        if there.pop(shape.name, None) != frozenset(shape.columns):
            raise CopyRefused(f"the table {shape.name} is not the same on both sides")
    if there:
        raise CopyRefused(f"the source has no table {sorted(there)[0]}")
