"""How much of what each project uses, by kind and day in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from storage.database import Database, Transaction
from storage.tables.kv import MeterRow
from storage.tables.types import core

METERS = core(MeterRow)


@dataclass(frozen=True, slots=True, order=True)
class Meter:
    """One counter; `day` is `2026-03-18`."""

    project_id: str
    kind: str
    day: str


@dataclass(frozen=True, slots=True)
class Meters:
    database: Database

    async def add(self, tx: Transaction, amounts: Mapping[Meter, int]) -> None:
        """In one order everywhere, so that no two transactions wait for each other."""
        for meter in sorted(amounts):
            row = {"project_id": meter.project_id, "kind": meter.kind, "day": meter.day, "amount": amounts[meter]}
            statement = self.database.insert(METERS).values(row)
            added = METERS.c.amount + statement.excluded.amount
            keys = ["project_id", "kind", "day"]
            await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_={"amount": added}))

    async def of_month(self, project_id: str, month: str, tx: Transaction | None = None) -> dict[str, int]:
        """By kind; `month` is `2026-03`."""
        query = (
            select(METERS.c.kind, func.sum(METERS.c.amount))
            .where(METERS.c.project_id == project_id, METERS.c.day.between(f"{month}-01", f"{month}-31"))
            .group_by(METERS.c.kind)
        )
        async with self.database.reading(tx) as connection:
            rows = await connection.execute(query)
        return {kind: int(amount) for kind, amount in rows}
