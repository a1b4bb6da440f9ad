"""The counter by which a process learns that what it remembers of keys, projects or limits is out of date."""

from __future__ import annotations

from dataclasses import dataclass

from storage.database import Database, Transaction
from storage.lookups.lookup import Lookup
from storage.tables.tenancy import ChangeRow
from storage.tables.types import core

CHANGES = core(ChangeRow)
TENANCY = "tenancy"


@dataclass(frozen=True, slots=True)
class Change:
    counter: int


CHANGE = Lookup(CHANGES, ("name",), Change)


@dataclass(frozen=True, slots=True)
class Changes:
    database: Database

    async def current(self) -> int:
        found = await self.database.find(CHANGE, TENANCY)
        return found.counter if found else 0

    async def bump(self, tx: Transaction) -> None:
        """Call it first in a transaction: it then also makes such transactions wait for each other."""
        raised = {"counter": CHANGES.c.counter + 1}
        first = self.database.insert(CHANGES).values(name=TENANCY, counter=1)
        await tx.execute(first.on_conflict_do_update(index_elements=["name"], set_=raised))
