"""When jobs are to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from storage.database import Database, Transaction
from storage.tables.jobs import JobScheduleRow
from storage.tables.types import core, plain

SCHEDULES = core(JobScheduleRow)


@dataclass(frozen=True, slots=True)
class JobSchedule:
    id: str
    project_id: str | None
    kind: str
    input: Any
    cron: str
    next_at: datetime


@dataclass(frozen=True, slots=True)
class JobSchedules:
    database: Database

    async def put(self, schedule: JobSchedule) -> None:
        """One with the same cron keeps its next time, unless that is past."""
        fields = asdict(schedule)
        statement = self.database.insert(SCHEDULES).values(fields)
        same = (SCHEDULES.c.cron == schedule.cron) & (SCHEDULES.c.project_id.is_not_distinct_from(schedule.project_id))
        kept = {name: value for name, value in fields.items() if name != "next_at"}
        async with self.database.writing() as tx:
            changed = await tx.execute(update(SCHEDULES).where(SCHEDULES.c.id == schedule.id, same).values(kept))
            if not changed.rowcount:
                await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=fields))

    async def list(self, project_id: str | None) -> Sequence[JobSchedule]:
        query = (
            select(SCHEDULES).where(SCHEDULES.c.project_id.is_not_distinct_from(project_id)).order_by(SCHEDULES.c.id)
        )
        async with self.database.reading() as connection:
            return [JobSchedule(**plain(row)) for row in await connection.execute(query)]

    async def delete(self, project_id: str | None, schedule_id: str) -> bool:
        mine = (SCHEDULES.c.id == schedule_id) & SCHEDULES.c.project_id.is_not_distinct_from(project_id)
        async with self.database.writing() as tx:
            return (await tx.execute(delete(SCHEDULES).where(mine))).rowcount > 0

    async def due(self, now: datetime) -> Sequence[JobSchedule]:
        query = select(SCHEDULES).where(SCHEDULES.c.next_at <= now)
        async with self.database.reading() as connection:
            return [JobSchedule(**plain(row)) for row in await connection.execute(query)]

    async def move_on(self, tx: Transaction, schedule: JobSchedule, next_at: datetime) -> bool:
        """False when another process did: what was due is made by that one."""
        untouched = (SCHEDULES.c.id == schedule.id) & (SCHEDULES.c.next_at == schedule.next_at)
        return (await tx.execute(update(SCHEDULES).where(untouched).values(next_at=next_at))).rowcount > 0
