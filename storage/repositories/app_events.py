"""Which events of apps were taken, so that what is sent again is not counted again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import delete, select, tuple_

from storage.database import Database, Transaction
from storage.tables.app_telemetry import AppEventRow
from storage.tables.types import core

EVENTS = core(AppEventRow)


class Lasting(Protocol):
    """From when until when a key is taken."""

    @property
    def now(self) -> datetime: ...

    @property
    def expires_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class AppEvents:
    database: Database

    async def take(self, tx: Transaction, project_id: str, keys: Collection[str], lasting: Lasting) -> set[str]:
        """Those of the keys that are not taken. In one order everywhere, so that no two transactions wait for each
        other."""
        if not keys:
            return set()
        until = lasting.expires_at
        rows = [{"project_id": project_id, "key": key, "expires_at": until} for key in sorted(keys)]
        told = self.database.insert(EVENTS).values(rows)
        taken = told.on_conflict_do_update(
            index_elements=["project_id", "key"],
            set_={"expires_at": told.excluded.expires_at},
            where=EVENTS.c.expires_at <= lasting.now,
        )
        return set((await tx.execute(taken.returning(EVENTS.c.key))).scalars())

    async def purge(self, now: datetime, limit: int) -> int:
        """Forgets up to `limit` whose time is over; answers how many."""
        place = tuple_(EVENTS.c.project_id, EVENTS.c.key)
        old = select(EVENTS.c.project_id, EVENTS.c.key).where(EVENTS.c.expires_at <= now).limit(limit)
        async with self.database.writing() as tx:
            return (await tx.execute(delete(EVENTS).where(place.in_(old)))).rowcount
