"""What jobs tell while they run, in the order in which they told it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from storage.database import Database
from storage.repositories.jobs import EVENTS, JOBS, Job, mine
from storage.tables.types import plain


@dataclass(frozen=True, slots=True)
class JobEvent:
    """`data` is a JSON value. `sequence` counts from 1 in each job, without a gap."""

    sequence: int
    at: datetime
    kind: str
    data: Any


@dataclass(frozen=True, slots=True)
class Told:
    """An event to be kept. See `JobEventRow` for `mark`."""

    mark: str
    at: datetime
    kind: str
    data: Any


@dataclass(frozen=True, slots=True)
class JobEvents:
    database: Database

    async def append(self, job: Job, told: Sequence[Told]) -> bool:
        """Leaves out what was told before. False when the job is not this process's any more."""
        running = select(JOBS.c.id).where(mine(job))
        if self.database.dialect == "postgresql":
            running = running.with_for_update()  # who else appends to this job waits
        last = select(func.coalesce(func.max(EVENTS.c.sequence), 0)).where(EVENTS.c.job_id == job.id)
        known = select(EVENTS.c.mark).where(EVENTS.c.job_id == job.id, EVENTS.c.mark.in_([one.mark for one in told]))
        async with self.database.writing() as tx:
            if (await tx.execute(running)).scalar_one_or_none() is None:
                return False
            marks = set((await tx.execute(known)).scalars())
            fresh = [one for one in told if one.mark not in marks]
            first = (await tx.execute(last)).scalar_one() + 1
            rows = [
                {
                    "job_id": job.id,
                    "project_id": job.project_id,
                    "sequence": sequence,
                    "mark": one.mark,
                    "at": one.at,
                    "kind": one.kind,
                    "data": one.data,
                }
                for sequence, one in enumerate(fresh, first)
            ]
            if rows:
                await tx.execute(EVENTS.insert(), rows)
        return True

    async def list(self, project_id: str | None, job_id: str, after: int = 0, limit: int = 1000) -> Sequence[JobEvent]:
        """Those behind the sequence number `after`."""
        owner = EVENTS.c.project_id.is_(None) if project_id is None else EVENTS.c.project_id == project_id
        query = (
            select(EVENTS.c.sequence, EVENTS.c.at, EVENTS.c.kind, EVENTS.c.data)
            .where(EVENTS.c.job_id == job_id, owner, EVENTS.c.sequence > after)
            .order_by(EVENTS.c.sequence)
            .limit(limit)
        )
        async with self.database.reading() as connection:
            return [JobEvent(**plain(row)) for row in await connection.execute(query)]

    async def told_at(self, job_id: str, place: str) -> Sequence[JobEvent]:
        """Those whose marks begin with `place.`: what a former try of a step has told."""
        query = (
            select(EVENTS.c.sequence, EVENTS.c.at, EVENTS.c.kind, EVENTS.c.data)
            .where(EVENTS.c.job_id == job_id, EVENTS.c.mark.startswith(f"{place}.", autoescape=True))
            .order_by(EVENTS.c.sequence)
        )
        async with self.database.reading() as connection:
            return [JobEvent(**plain(row)) for row in await connection.execute(query)]
