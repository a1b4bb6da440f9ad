"""Organisations: whom projects belong to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select

from storage.database import Database, Transaction
from storage.tables.tenancy import OrganisationRow
from storage.tables.types import core, plain

ORGANISATIONS = core(OrganisationRow)


@dataclass(frozen=True, slots=True)
class Organisation:
    id: str
    slug: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Organisations:
    database: Database

    async def insert(self, tx: Transaction, organisation: Organisation) -> None:
        """Raises `StorageConflict` when the slug is taken."""
        await tx.execute(ORGANISATIONS.insert().values(asdict(organisation)))

    async def find(self, slug: str, tx: Transaction | None = None) -> Organisation | None:
        query = select(ORGANISATIONS).where(ORGANISATIONS.c.slug == slug)
        async with self.database.reading(tx) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Organisation(**plain(row))

    async def list(self) -> list[Organisation]:
        async with self.database.reading() as connection:
            rows = await connection.execute(select(ORGANISATIONS).order_by(ORGANISATIONS.c.slug))
        return [Organisation(**plain(row)) for row in rows]

    async def delete(self, tx: Transaction, organisation_id: str) -> None:
        """Raises `StorageConflict` while it has projects, deleted ones included."""
        await tx.execute(delete(ORGANISATIONS).where(ORGANISATIONS.c.id == organisation_id))
