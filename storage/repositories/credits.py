"""What projects paid in advance. Money is in micro-dollars (1e-6 USD).

A project without an account is unlimited. A balance is the sum of the project's entries; the ledger writes those of
requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select, update

from storage.database import Database, Transaction
from storage.tables.spending import CreditAccountRow, CreditEntryRow
from storage.tables.types import core, plain

ACCOUNTS = core(CreditAccountRow)
ENTRIES = core(CreditEntryRow)


@dataclass(frozen=True, slots=True)
class CreditEntry:
    id: int
    project_id: str
    at: datetime
    kind: Literal["set", "closed", "request", "purchase"]
    amount_micros: int
    request_id: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Credits:
    database: Database

    async def balance(self, project_id: str) -> int | None:
        """None when the project is unlimited."""
        await self.database.settle()
        return (await self.balances((project_id,))).get(project_id)

    async def balances(self, project_ids: Sequence[str]) -> dict[str, int]:
        """Those of the projects that have an account, a moment ago."""
        query = select(ACCOUNTS).where(ACCOUNTS.c.project_id.in_(project_ids))
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return {row.project_id: row.balance_micros for row in rows}

    async def set(self, tx: Transaction, project_id: str, balance_micros: int | None, at: datetime) -> None:
        """Opens an account or moves its balance; None closes it and makes the project unlimited."""
        mine = ACCOUNTS.c.project_id == project_id
        found: int | None = await tx.scalar(select(ACCOUNTS.c.balance_micros).where(mine).with_for_update())
        entry = {"project_id": project_id, "at": at, "amount_micros": (balance_micros or 0) - (found or 0)}
        if balance_micros is None:
            await tx.execute(delete(ACCOUNTS).where(mine))
            entry["kind"] = "closed"
        else:
            fields = {"project_id": project_id, "balance_micros": balance_micros}
            opened = self.database.insert(ACCOUNTS).values(fields)
            await tx.execute(opened.on_conflict_do_update(index_elements=["project_id"], set_=fields))
            entry["kind"] = "set"
        await tx.execute(ENTRIES.insert().values(entry))

    async def spend(self, tx: Transaction, project_id: str, micros: int, at: datetime, note: str) -> bool:
        """Takes the amount off, whole or not at all; False when there is not so much. Who is unlimited pays nothing."""
        mine = ACCOUNTS.c.project_id == project_id
        balance: int | None = await tx.scalar(select(ACCOUNTS.c.balance_micros).where(mine).with_for_update())
        if balance is None:
            return True
        if balance < micros:
            return False
        await tx.execute(update(ACCOUNTS).where(mine).values(balance_micros=balance - micros))
        entry = {"project_id": project_id, "at": at, "kind": "purchase", "amount_micros": -micros, "note": note}
        await tx.execute(ENTRIES.insert().values(entry))
        return True

    async def entries(self, project_id: str, limit: int = 100) -> list[CreditEntry]:
        """Newest first."""
        query = select(ENTRIES).where(ENTRIES.c.project_id == project_id).order_by(ENTRIES.c.id.desc()).limit(limit)
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(query)
        return [CreditEntry(**plain(row)) for row in rows]
