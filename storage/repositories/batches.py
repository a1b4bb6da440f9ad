"""Batches: requests from a file that are answered in the background, each by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, bindparam, delete, select, tuple_, update

from storage.database import Database, Transaction
from storage.repositories.blobs import BlobRows
from storage.tables.batches import BatchItemRow, BatchRow
from storage.tables.types import core, plain

BATCHES = core(BatchRow)
ITEMS = core(BatchItemRow)

Status = Literal["validating", "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"]
ItemStatus = Literal["pending", "completed", "failed", "cancelled"]
READ_ON = timedelta(minutes=5)
"""What a process that lost a batch without knowing it gets to read its input on."""


@dataclass(frozen=True, slots=True)
class Batch:
    """See `BatchRow`. `told` is the client's metadata; `faults` are what kept the whole batch from running: objects
    with `code`, `message` and `line`."""

    id: str
    project_id: str
    project: str
    endpoint: str
    input_file_id: str
    blob_key: str
    window_seconds: int
    created_at: datetime
    deadline_at: datetime
    key_id: str | None = None
    models: list[str] | None = None
    status: Status = "validating"
    told: dict[str, Any] | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    started_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    ended_at: datetime | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    faults: list[dict[str, Any]] | None = None

    @property
    def is_final(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True, slots=True)
class Item:
    """A row. See `BatchItemRow`."""

    number: int
    custom_id: str | None
    start: int
    size_bytes: int
    status: ItemStatus = "pending"
    line: str | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a row."""

    number: int
    status: ItemStatus
    line: str


@dataclass(frozen=True, slots=True)
class End:
    status: Status
    at: datetime
    output_file_id: str | None = None
    error_file_id: str | None = None
    faults: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Batches:
    """What clients do names the project; what the worker does names a batch that it was given."""

    database: Database

    async def insert(self, tx: Transaction, batch: Batch) -> None:
        """Raises `StorageConflict` when the input's blob is not there to be held."""
        await BlobRows(self.database).hold(tx, batch.project_id, batch.blob_key)
        await tx.execute(BATCHES.insert().values(asdict(batch)))

    async def get(self, project_id: str, batch_id: str) -> Batch | None:
        if "\0" in batch_id:
            return None
        query = select(BATCHES).where(_mine(project_id, batch_id))
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Batch(**plain(row))

    async def list(self, project_id: str, after: str | None, limit: int) -> Sequence[Batch]:
        """Newest first; nothing when the project has no batch `after`."""
        place = (BATCHES.c.created_at, BATCHES.c.id)
        query = select(BATCHES).where(BATCHES.c.project_id == project_id)
        query = query.order_by(*(column.desc() for column in place)).limit(limit)
        if after is not None:
            cursor = select(*place).where(_mine(project_id, after))
            query = query.where(tuple_(*place) < cursor.scalar_subquery())
        async with self.database.reading() as connection:
            return [Batch(**plain(row)) for row in await connection.execute(query)]

    async def move(self, batch: Batch, froms: Collection[Status], to: Status, **values: Any) -> bool:
        """False when the batch is in none of these states."""
        moving = and_(_mine(batch.project_id, batch.id), BATCHES.c.status.in_(froms))
        async with self.database.writing() as tx:
            done = await tx.execute(update(BATCHES).where(moving).values(status=to, **values))
            return done.rowcount == 1

    async def end(self, batch: Batch, end: End) -> bool:
        """Lets go of the input; False when the batch has ended before."""
        values = {**asdict(end), "ended_at": end.at}
        del values["at"]
        open_one = and_(_mine(batch.project_id, batch.id), BATCHES.c.ended_at.is_(None))
        async with self.database.writing() as tx:
            if (await tx.execute(update(BATCHES).where(open_one).values(values))).rowcount != 1:
                return False
            blobs = BlobRows(self.database)
            await blobs.release(tx, batch.project_id, batch.blob_key, end.at + READ_ON)
            return True

    async def add(self, batch: Batch, items: Sequence[Item]) -> None:
        """Rows that are there already stay as they are."""
        rows = [{"batch_id": batch.id, **asdict(item)} for item in items]
        async with self.database.writing() as tx:
            await tx.execute(self.database.insert(ITEMS).on_conflict_do_nothing(), rows)

    async def items(
        self, batch_id: str, after: int = -1, limit: int = 500, statuses: Collection[ItemStatus] = ()
    ) -> Sequence[Item]:
        """In their order, from the one behind the row `after` on."""
        query = select(*_SHOWN).where(ITEMS.c.batch_id == batch_id, ITEMS.c.number > after)
        if statuses:
            query = query.where(ITEMS.c.status.in_(statuses))
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(ITEMS.c.number).limit(limit))
        return [Item(**plain(row)) for row in rows]

    async def settle(self, batch: Batch, done: Sequence[Done], now: datetime) -> None:
        """A row's first end stands, and is counted once."""
        numbers = [one.number for one in done]
        open_ones = select(ITEMS.c.number).where(
            ITEMS.c.batch_id == batch.id, ITEMS.c.number.in_(numbers), ITEMS.c.status == "pending"
        )
        if self.database.dialect == "postgresql":
            open_ones = open_ones.order_by(ITEMS.c.number).with_for_update()
        async with self.database.writing() as tx:
            fresh = set((await tx.execute(open_ones)).scalars())
            ended = [one for one in done if one.number in fresh]
            if not ended:
                return
            values = [{"n": one.number, "s": one.status, "l": one.line, "at": now} for one in ended]
            await tx.execute(_SETTLE.where(ITEMS.c.batch_id == batch.id), values)
            counted = {
                name: BATCHES.c[name] + sum(one.status == name for one in ended) for name in ("completed", "failed")
            }
            await tx.execute(update(BATCHES).where(_mine(batch.project_id, batch.id)).values(counted))

    async def cancel_rest(self, batch: Batch, now: datetime) -> None:
        """Rows that were not answered are not going to be."""
        rest = and_(ITEMS.c.batch_id == batch.id, ITEMS.c.status == "pending")
        async with self.database.writing() as tx:
            await tx.execute(update(ITEMS).where(rest).values(status="cancelled", updated_at=now))

    async def purge_items(self, before: datetime, limit: int) -> int:
        """Forgets the rows of batches that ended before then; answers how many there were."""
        old = select(BATCHES.c.id).where(BATCHES.c.ended_at < before)
        some = select(ITEMS.c.batch_id, ITEMS.c.number).where(ITEMS.c.batch_id.in_(old)).limit(limit)
        async with self.database.writing() as tx:
            return (await tx.execute(delete(ITEMS).where(tuple_(ITEMS.c.batch_id, ITEMS.c.number).in_(some)))).rowcount


_SHOWN = [column for column in ITEMS.c if column.name != "batch_id"]
_SETTLE = (
    update(ITEMS)
    .where(ITEMS.c.number == bindparam("n"), ITEMS.c.status == "pending")
    .values(status=bindparam("s"), line=bindparam("l"), updated_at=bindparam("at"))
)


def _mine(project_id: str, batch_id: str) -> ColumnElement[bool]:
    return and_(BATCHES.c.project_id == project_id, BATCHES.c.id == batch_id)
