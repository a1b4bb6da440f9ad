"""Idempotency keys: what was answered to a creating request, so that its repetition gets the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from storage.database import Database
from storage.tables.traffic import IdempotencyRow, ProcessRow
from storage.tables.types import core, plain

ENTRIES = core(IdempotencyRow)
PROCESSES = core(ProcessRow)


@dataclass(frozen=True, slots=True)
class IdempotencyEntry:
    """`status` is None while the first request is being answered; `body` None with a status was too large to keep.
    `claim_id` tells one attempt's claim from another's."""

    project_id: str
    key: str
    claim_id: str
    process_id: str
    operation_id: str
    fingerprint: str
    expires_at: datetime
    status: int | None = None
    headers: dict[str, str] | None = None
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyKeys:
    database: Database

    async def claim(self, entry: IdempotencyEntry, now: datetime) -> bool:
        """True when the key was free, expired, or claimed by a process that died before it answered."""
        fields = {name: getattr(entry, name) for name in IdempotencyEntry.__slots__}
        alive = select(PROCESSES.c.id).where(PROCESSES.c.id == ENTRIES.c.process_id, PROCESSES.c.lease_until > now)
        free = or_(ENTRIES.c.expires_at <= now, and_(ENTRIES.c.status.is_(None), ~alive.exists()))
        statement = (
            self.database.insert(ENTRIES)
            .values(fields)
            .on_conflict_do_update(index_elements=["project_id", "key"], set_=fields, where=free)
            .returning(ENTRIES.c.claim_id)
        )
        async with self.database.writing() as tx:
            return (await tx.execute(statement)).scalar_one_or_none() is not None

    async def get(self, project_id: str, key: str) -> IdempotencyEntry | None:
        query = select(ENTRIES).where(ENTRIES.c.project_id == project_id, ENTRIES.c.key == key)
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else IdempotencyEntry(**plain(row))

    async def answer(self, entry: IdempotencyEntry) -> None:
        """Writes the answer of a claim, unless another attempt has taken the key over."""
        values = {
            "fingerprint": entry.fingerprint,
            "status": entry.status,
            "headers": entry.headers,
            "body": entry.body,
        }
        async with self.database.writing() as tx:
            await tx.execute(update(ENTRIES).where(_own(entry)).values(values))

    async def release(self, entry: IdempotencyEntry) -> None:
        async with self.database.writing() as tx:
            await tx.execute(delete(ENTRIES).where(_own(entry), ENTRIES.c.status.is_(None)))

    async def purge(self, now: datetime) -> int:
        """Drops the expired entries of every project; answers how many."""
        async with self.database.writing() as tx:
            return (await tx.execute(delete(ENTRIES).where(ENTRIES.c.expires_at <= now))).rowcount


def _own(entry: IdempotencyEntry) -> ColumnElement[bool]:
    return and_(
        ENTRIES.c.project_id == entry.project_id, ENTRIES.c.key == entry.key, ENTRIES.c.claim_id == entry.claim_id
    )
