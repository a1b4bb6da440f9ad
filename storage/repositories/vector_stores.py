"""Vector stores, the files in them, and the batches that files came in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Select, Table, and_, delete, func, literal, or_, select, tuple_, update

from storage.database import Database, Transaction
from storage.tables.jobs import JobRow
from storage.tables.types import core, plain
from storage.tables.vector_stores import VectorStoreBatchRow, VectorStoreDocumentRow, VectorStoreFileRow, VectorStoreRow

STORES, FILES, BATCHES = core(VectorStoreRow), core(VectorStoreFileRow), core(VectorStoreBatchRow)
DOCUMENTS, JOBS = core(VectorStoreDocumentRow), core(JobRow)

FileStatus: TypeAlias = Literal["in_progress", "completed", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class VectorStore:
    """`details` is what its maker says of it. `usage_bytes` are those of its chunks; `lasting_seconds` is how long it
    lasts from its last use on."""

    project_id: str
    id: str
    collection_no: int
    created_at: datetime
    updated_at: datetime
    active_at: datetime
    name: str
    embedding_model: str
    dimensions: int
    details: Mapping[str, Any]
    usage_bytes: int = 0
    lasting_seconds: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoreFile:
    """A file in a store. `document_no` is what is found; `next_document_no` is being made by the job `job_id`."""

    id: str
    project_id: str
    store_id: str
    file_id: str
    created_at: datetime
    filename: str
    size_bytes: int
    attributes: Mapping[str, Any]
    strategy: Mapping[str, Any]
    status: FileStatus = "in_progress"
    batch_id: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    chunks: int = 0
    tokens: int = 0
    usage_bytes: int = 0
    indexed_at: datetime | None = None
    document_no: int | None = None
    next_document_no: int | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoreBatch:
    id: str
    project_id: str
    store_id: str
    created_at: datetime
    is_cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """`after` and `before` are ids of things that the page lies between."""

    limit: int = 20
    after: str | None = None
    before: str | None = None
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class VectorStores:
    """A store whose time is over by `now` is not there, whether it was cleared away or not."""

    database: Database

    async def insert(self, tx: Transaction, store: VectorStore) -> None:
        """Raises `StorageConflict` when the project has, or had, one of this id."""
        await tx.execute(STORES.insert().values(asdict(store)))

    async def get(
        self, project_id: str, store_id: str, now: datetime, tx: Transaction | None = None
    ) -> VectorStore | None:
        if "\0" in store_id:
            return None
        async with self.database.reading(tx) as connection:
            row = (
                await connection.execute(select(*STORE_COLUMNS).where(_store(project_id, store_id), _alive(now)))
            ).one_or_none()
        return None if row is None else VectorStore(**plain(row))

    async def list(self, project_id: str, page: Page, now: datetime) -> tuple[Sequence[VectorStore], bool] | None:
        """And whether there is more. None for an `after` or `before` that never was."""
        mine = STORES.c.project_id == project_id
        query = select(*STORE_COLUMNS).where(mine, _alive(now))
        found = await _paged(self.database, STORES, mine, (query, page))
        return None if found is None else ([VectorStore(**plain(row)) for row in found[0]], found[1])

    async def update(self, tx: Transaction, project_id: str, store_id: str, values: Mapping[str, Any]) -> None:
        await tx.execute(update(STORES).where(_store(project_id, store_id)).values(values))

    async def resize(self, tx: Transaction, project_id: str, store_id: str, by_bytes: int) -> None:
        size = STORES.c.usage_bytes + by_bytes
        await tx.execute(update(STORES).where(_store(project_id, store_id)).values(usage_bytes=size))

    async def end(self, tx: Transaction, project_id: str, store_id: str, now: datetime) -> bool:
        """Its row stays, unseen; its files, batches and documents go. False when there was none."""
        live = _store(project_id, store_id) & STORES.c.deleted_at.is_(None)
        if (await tx.execute(update(STORES).where(live).values(deleted_at=now))).rowcount == 0:
            return False
        for table in (FILES, BATCHES, DOCUMENTS):
            await tx.execute(delete(table).where(table.c.project_id == project_id, table.c.store_id == store_id))
        return True

    async def over(self, now: datetime, limit: int) -> Sequence[VectorStore]:
        """Those of every project whose time is over."""
        query = select(*STORE_COLUMNS).where(STORES.c.deleted_at.is_(None), STORES.c.expires_at <= now)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(STORES.c.expires_at).limit(limit))
        return [VectorStore(**plain(row)) for row in rows]

    async def forget(self, tx: Transaction, project_id: str, store_id: str) -> None:
        """One that was ended: its id is free again."""
        await tx.execute(delete(STORES).where(_store(project_id, store_id), STORES.c.deleted_at.is_not(None)))


@dataclass(frozen=True, slots=True)
class StoreFiles:
    database: Database

    async def insert(self, tx: Transaction, file: StoreFile) -> bool:
        """False when the store has the file."""
        statement = self.database.insert(FILES).values(asdict(file)).on_conflict_do_nothing().returning(FILES.c.id)
        return (await tx.execute(statement)).scalar_one_or_none() is not None

    async def get(self, project_id: str, store_id: str, name: str, tx: Transaction | None = None) -> StoreFile | None:
        """By its own id, or by the file's."""
        if "\0" in name:
            return None
        named = or_(FILES.c.id == name, FILES.c.file_id == name)
        async with self.database.reading(tx) as connection:
            row = (await connection.execute(select(FILES).where(_in_store(project_id, store_id), named))).first()
        return None if row is None else StoreFile(**plain(row))

    async def list(
        self, project_id: str, store_id: str, page: Page, *, status: str | None = None, batch_id: str | None = None
    ) -> tuple[Sequence[StoreFile], bool] | None:
        mine = _in_store(project_id, store_id)
        query = select(FILES).where(mine)
        if status is not None:
            query = query.where(FILES.c.status == status)
        if batch_id is not None:
            query = query.where(FILES.c.batch_id == batch_id)
        found = await _paged(self.database, FILES, mine, (query, page))
        return None if found is None else ([StoreFile(**plain(row)) for row in found[0]], found[1])

    async def counts(self, project_id: str, store_ids: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        """By store, how many files there are in each status."""
        groups = (FILES.c.store_id, FILES.c.status)
        query = select(*groups, func.count().label("files")).where(
            FILES.c.project_id == project_id, FILES.c.store_id.in_(store_ids)
        )
        return await self._counted(query.group_by(*groups), store_ids)

    async def batch_counts(self, project_id: str, batch_id: str) -> Mapping[str, int]:
        query = select(FILES.c.batch_id, FILES.c.status, func.count().label("files")).where(
            FILES.c.project_id == project_id, FILES.c.batch_id == batch_id
        )
        return (await self._counted(query.group_by(FILES.c.batch_id, FILES.c.status), [batch_id]))[batch_id]

    async def change(
        self, tx: Transaction, file: StoreFile, values: Mapping[str, Any], job_id: str | None = None
    ) -> bool:
        """With `job_id` only while that job is at work on it. False when nothing was changed."""
        where = FILES.c.id == file.id
        if job_id is not None:
            where = and_(where, FILES.c.job_id == job_id, FILES.c.status == "in_progress")
        return (await tx.execute(update(FILES).where(where).values(values))).rowcount == 1

    async def delete(self, tx: Transaction, file: StoreFile) -> bool:
        return (await tx.execute(delete(FILES).where(FILES.c.id == file.id))).rowcount == 1

    async def by_document(self, project_id: str, document_nos: Collection[int]) -> Mapping[int, StoreFile]:
        query = select(FILES).where(FILES.c.project_id == project_id, FILES.c.document_no.in_(document_nos))
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return {row.document_no: StoreFile(**plain(row)) for row in rows}

    async def abandoned(self, limit: int) -> Sequence[StoreFile]:
        """Those in progress whose job has ended, or is not there any more."""
        open_jobs = select(JOBS.c.id).where(JOBS.c.id == FILES.c.job_id, JOBS.c.finished_at.is_(None))
        query = select(FILES).where(FILES.c.status == "in_progress", ~open_jobs.exists())
        async with self.database.reading() as connection:
            rows = await connection.execute(query.limit(limit))
        return [StoreFile(**plain(row)) for row in rows]

    async def _counted(self, query: Select[Any], names: Collection[str]) -> Mapping[str, Mapping[str, int]]:
        counts: dict[str, dict[str, int]] = {name: {} for name in names}
        async with self.database.reading() as connection:
            for name, status, files in await connection.execute(query):
                counts[name][status] = files
        return counts


@dataclass(frozen=True, slots=True)
class StoreBatches:
    database: Database

    async def insert(self, tx: Transaction, batch: StoreBatch) -> None:
        await tx.execute(BATCHES.insert().values(asdict(batch)))

    async def get(self, project_id: str, store_id: str, batch_id: str) -> StoreBatch | None:
        if "\0" in batch_id:
            return None
        where = (BATCHES.c.project_id == project_id, BATCHES.c.store_id == store_id, BATCHES.c.id == batch_id)
        async with self.database.reading() as connection:
            row = (await connection.execute(select(BATCHES).where(*where))).one_or_none()
        return None if row is None else StoreBatch(**plain(row))

    async def cancel(self, tx: Transaction, batch: StoreBatch) -> None:
        await tx.execute(update(BATCHES).where(BATCHES.c.id == batch.id).values(is_cancelled=True))


STORE_COLUMNS = [column for column in STORES.c if column.name != "deleted_at"]


async def _paged(
    database: Database, table: Table, mine: ColumnElement[bool], wanted: tuple[Select[Any], Page]
) -> tuple[list[Any], bool] | None:
    """A page of rows, in the order of their creation, and whether there is more in its direction."""
    query, page = wanted
    place, cursors = (table.c.created_at, table.c.id), {}
    for name in (page.after, page.before):
        if name is not None:
            cursor = await _cursor(database, table, mine, name)
            if cursor is None:
                return None
            cursors[name] = cursor
    forward = page.before is None or page.after is not None
    falling = page.newest_first
    for name, is_behind in ((page.after, True), (page.before, False)):
        if name is not None:
            query = query.where(
                tuple_(*place) < cursors[name] if falling == is_behind else tuple_(*place) > cursors[name]
            )
    order = [column.desc() if falling == forward else column for column in place]
    async with database.reading() as connection:
        rows = list(await connection.execute(query.order_by(*order).limit(page.limit + 1)))
    kept = rows[: page.limit]
    return kept if forward else kept[::-1], len(rows) > page.limit


async def _cursor(database: Database, table: Table, mine: ColumnElement[bool], name: str) -> Any:
    """Files of a store go by the file's id, too."""
    if "\0" in name:
        return None
    named = table.c.id == name if "file_id" not in table.c else or_(table.c.id == name, table.c.file_id == name)
    async with database.reading() as connection:
        row = (await connection.execute(select(table.c.created_at, table.c.id).where(mine, named))).first()
    return None if row is None else tuple_(literal(row.created_at, table.c.created_at.type), literal(row.id))


def _store(project_id: str, store_id: str) -> ColumnElement[bool]:
    return (STORES.c.project_id == project_id) & (STORES.c.id == store_id)


def _in_store(project_id: str, store_id: str) -> ColumnElement[bool]:
    return (FILES.c.project_id == project_id) & (FILES.c.store_id == store_id)


def _alive(now: datetime) -> ColumnElement[bool]:
    return STORES.c.deleted_at.is_(None) & or_(STORES.c.expires_at.is_(None), STORES.c.expires_at > now)
