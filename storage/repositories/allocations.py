"""Blocks of object storage that projects bought, each for one month."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from storage.database import Database
from storage.repositories.credits import Credits
from storage.tables.s3 import StorageAllocationRow, StoragePurchaseRow
from storage.tables.types import core, plain

ALLOCATIONS, PURCHASES = core(StorageAllocationRow), core(StoragePurchaseRow)


class CannotPay(Exception):
    """The project's credits do not cover it."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Money in micro-dollars."""

    project_id: str
    idempotency_key: str
    month: str
    blocks: int
    cost_micros: int
    bought_at: datetime


@dataclass(frozen=True, slots=True)
class Allocations:
    database: Database

    async def blocks(self, project_id: str, month: str) -> int:
        query = select(ALLOCATIONS.c.blocks).where(ALLOCATIONS.c.project_id == project_id, ALLOCATIONS.c.month == month)
        async with self.database.reading() as connection:
            return (await connection.scalar(query)) or 0

    async def buy(self, purchase: Purchase) -> Purchase:
        """The purchase, or the earlier one of the same key. Raises `CannotPay`; then nothing was bought."""
        async with self.database.writing() as tx:
            fresh = self.database.insert(PURCHASES).values(asdict(purchase)).on_conflict_do_nothing()
            if (await tx.execute(fresh)).rowcount != 1:
                mine = PURCHASES.c.idempotency_key == purchase.idempotency_key
                query = select(PURCHASES).where(PURCHASES.c.project_id == purchase.project_id, mine)
                return Purchase(**plain((await tx.execute(query)).one()))
            paid = await Credits(self.database).spend(
                tx, purchase.project_id, purchase.cost_micros, purchase.bought_at, "object storage"
            )
            if not paid:
                raise CannotPay
            row = {"project_id": purchase.project_id, "month": purchase.month, "blocks": purchase.blocks}
            statement = self.database.insert(ALLOCATIONS).values(row)
            added = ALLOCATIONS.c.blocks + statement.excluded.blocks
            keys = ["project_id", "month"]
            await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_={"blocks": added}))
        return purchase
