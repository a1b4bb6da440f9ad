"""Datasets: numbered rows that projects keep, in pieces of some hundred, so that any row is found by its number and a
page is read in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select, update

from storage.database import Database, Transaction
from storage.tables.datasets import DatasetChunkRow, DatasetRow
from storage.tables.types import core, plain

DATASETS = core(DatasetRow)
CHUNKS = core(DatasetChunkRow)
CHUNK_ROWS = 256
CHUNK_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Dataset:
    """See `DatasetRow`."""

    key: str
    project_id: str
    id: str
    created_at: datetime
    about: dict[str, Any]
    fingerprint: str
    built_at: datetime | None = None
    size: int = 0
    container_id: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetPage:
    """`limit` None is all."""

    limit: int | None = None
    offset: int = 0
    container_id: str | None = None


@dataclass(frozen=True, slots=True)
class Datasets:
    """Rows are JSON objects as text without a line break."""

    database: Database

    async def insert(self, tx: Transaction, dataset: Dataset, rows: Sequence[str] = ()) -> None:
        """Raises `StorageConflict` when the project has a dataset of this id."""
        await tx.execute(DATASETS.insert().values({**asdict(dataset), "size": len(rows)}))
        await self._write(tx, dataset.key, 0, rows)

    async def get(self, project_id: str, dataset_id: str) -> Dataset | None:
        if "\0" in dataset_id:
            return None
        query = select(DATASETS).where(_mine(project_id, dataset_id))
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Dataset(**plain(row))

    async def list(self, project_id: str, page: DatasetPage) -> Sequence[Dataset]:
        """Newest first."""
        query = select(DATASETS).where(_of(project_id, page.container_id))
        query = query.order_by(DATASETS.c.created_at.desc(), DATASETS.c.key.desc())
        async with self.database.reading() as connection:
            rows = await connection.execute(query.limit(page.limit).offset(page.offset or None))
        return [Dataset(**plain(row)) for row in rows]

    async def count(self, project_id: str, container_id: str | None = None) -> int:
        query = select(func.count()).select_from(DATASETS).where(_of(project_id, container_id))
        async with self.database.reading() as connection:
            return int(await connection.scalar(query) or 0)

    async def append(self, project_id: str, dataset_id: str, rows: Sequence[str]) -> int | None:
        """How many rows there are then; None when there is no such dataset."""
        grown = update(DATASETS).where(_mine(project_id, dataset_id)).values(size=DATASETS.c.size + len(rows))
        async with self.database.writing() as tx:
            found = (await tx.execute(grown.returning(DATASETS.c.key, DATASETS.c.size))).one_or_none()
            if found is None:
                return None
            await self._write(tx, found.key, found.size - len(rows), rows)
            return int(found.size)

    async def build(self, dataset: Dataset, rows: Sequence[str], now: datetime) -> None:
        """Fills one that is being built; once it is built nothing changes."""
        ours = and_(DATASETS.c.key == dataset.key, DATASETS.c.built_at.is_(None))
        async with self.database.writing() as tx:
            built = await tx.execute(update(DATASETS).where(ours).values(size=len(rows), built_at=now))
            if built.rowcount == 1:
                await self._write(tx, dataset.key, 0, rows)

    async def rows(self, dataset: Dataset, start: int, stop: int) -> Sequence[str]:
        """Rows `start` up to and without `stop`."""
        near = and_(CHUNKS.c.first > start - CHUNK_ROWS, CHUNKS.c.first < stop)
        query = select(CHUNKS.c.first, CHUNKS.c.lines).where(CHUNKS.c.dataset_key == dataset.key, near)
        async with self.database.reading() as connection:
            chunks = (await connection.execute(query.order_by(CHUNKS.c.first))).all()
        found: list[str] = []
        for first, lines in chunks:
            found += lines.split("\n")[max(0, start - first) : max(0, stop - first)]
        return found

    async def delete(self, project_id: str, dataset_id: str) -> bool:
        async with self.database.writing() as tx:
            gone = delete(DATASETS).where(_mine(project_id, dataset_id)).returning(DATASETS.c.key)
            key = (await tx.execute(gone)).scalar_one_or_none()
            await tx.execute(delete(CHUNKS).where(CHUNKS.c.dataset_key == key))
            return key is not None

    async def _write(self, tx: Transaction, key: str, first: int, rows: Sequence[str]) -> None:
        chunks, at = [], 0
        while at < len(rows):
            size = _chunk_size(rows, at)
            lines = "\n".join(rows[at : at + size])
            chunks.append({"dataset_key": key, "first": first + at, "size": size, "lines": lines})
            at += size
        if chunks:
            await tx.execute(CHUNKS.insert(), chunks)


def _chunk_size(rows: Sequence[str], at: int) -> int:
    length = 0
    for size in range(min(CHUNK_ROWS, len(rows) - at)):
        length += len(rows[at + size])
        if length > CHUNK_CHARACTERS and size:
            return size
    return min(CHUNK_ROWS, len(rows) - at)


def _mine(project_id: str, dataset_id: str) -> ColumnElement[bool]:
    return and_(DATASETS.c.project_id == project_id, DATASETS.c.id == dataset_id)


def _of(project_id: str, container_id: str | None) -> ColumnElement[bool]:
    mine = DATASETS.c.project_id == project_id
    return mine if container_id is None else mine & (DATASETS.c.container_id == container_id)
