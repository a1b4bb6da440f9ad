"""The processes that do background jobs, and how the jobs of one kind stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, func, select

from storage.database import Database
from storage.tables.box import JobWorkerRow
from storage.tables.jobs import JobRow
from storage.tables.traffic import ProcessRow, RequestRow
from storage.tables.types import core
from storage.tables.vector_stores import BOX, VectorStoreFileRow

WORKERS, JOBS, PROCESSES = core(JobWorkerRow), core(JobRow), core(ProcessRow)
FILES, REQUESTS = core(VectorStoreFileRow), core(RequestRow)


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """`job_id` is one of the jobs that it runs."""

    id: str
    beat_at: datetime
    tools: Mapping[str, Any]
    job_id: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How many unfinished jobs are so, and since when the oldest is there."""

    jobs: int = 0
    oldest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Workers:
    """All of every project: for the operator, and for workers themselves."""

    database: Database

    async def beat(self, worker_id: str, now: datetime, tools: Mapping[str, Any], forgotten_at: datetime) -> None:
        """Forgets those that were not heard of since `forgotten_at`."""
        row = {"id": worker_id, "beat_at": now, "tools": dict(tools)}
        statement = self.database.insert(WORKERS).values(row)
        async with self.database.writing() as tx:
            await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))
            await tx.execute(delete(WORKERS).where(WORKERS.c.beat_at < forgotten_at))

    async def leave(self, worker_id: str) -> None:
        async with self.database.writing() as tx:
            await tx.execute(delete(WORKERS).where(WORKERS.c.id == worker_id))

    async def list(self, kind: str) -> Sequence[WorkerSeen]:
        """With the jobs of this kind that they run."""
        running = select(JOBS.c.process_id, func.min(JOBS.c.id).label("job_id")).where(
            JOBS.c.finished_at.is_(None), JOBS.c.state == "running", JOBS.c.kind == kind
        )
        busy = running.group_by(JOBS.c.process_id).subquery()
        query = select(WORKERS, busy.c.job_id).outerjoin(busy, busy.c.process_id == WORKERS.c.id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(WORKERS.c.beat_at.desc(), WORKERS.c.id))
            return [WorkerSeen(row.id, row.beat_at, row.tools, row.job_id) for row in rows]

    async def standings(self, kind: str) -> Mapping[str, Standing]:
        """Unfinished jobs that are `queued`, `leased` to a process that lives, `retrying` after one that died, or
        `stale`: those of a process that is gone, or that handed them back."""
        living = select(PROCESSES.c.id).where(PROCESSES.c.id == JOBS.c.process_id).exists()
        standing = case(
            (JOBS.c.state == "queued", "queued"), (~living, "stale"), (JOBS.c.crashes > 0, "retrying"), else_="leased"
        )
        unfinished = select(standing.label("standing"), JOBS.c.created_at).where(
            JOBS.c.finished_at.is_(None), JOBS.c.kind == kind
        )
        each = unfinished.subquery()
        query = select(each.c.standing, func.count().label("jobs"), func.min(each.c.created_at).label("oldest_at"))
        async with self.database.reading() as connection:
            rows = await connection.execute(query.group_by(each.c.standing))
            return {row.standing: Standing(row.jobs, row.oldest_at) for row in rows}

    async def failed_since(self, kind: str, since: datetime) -> int:
        failed = select(func.count()).where(JOBS.c.finished_at > since, JOBS.c.state == "failed", JOBS.c.kind == kind)
        async with self.database.reading() as connection:
            return int(await connection.scalar(failed) or 0)

    async def lease_until(self, process_id: str) -> datetime | None:
        query = select(PROCESSES.c.lease_until).where(PROCESSES.c.id == process_id)
        async with self.database.reading() as connection:
            found: datetime | None = await connection.scalar(query)
        return found

    async def heard_of(self, worker_id: str) -> datetime | None:
        async with self.database.reading() as connection:
            found: datetime | None = await connection.scalar(select(WORKERS.c.beat_at).where(WORKERS.c.id == worker_id))
        return found

    async def boxed(self) -> Mapping[tuple[str, str | None], int]:
        """How many documents of all Boxes are in each status, with each error."""
        groups = (FILES.c.status, FILES.c.error_code)
        query = select(*groups, func.count().label("files")).where(FILES.c.store_id == BOX).group_by(*groups)
        async with self.database.reading() as connection:
            return {(row.status, row.error_code): row.files for row in await connection.execute(query)}

    async def failed_requests(self, operation_id: str, since: datetime) -> int:
        """Of those that asked a model."""
        query = select(func.count()).where(
            REQUESTS.c.kind.is_not(None),
            REQUESTS.c.started_at > since,
            REQUESTS.c.operation_id == operation_id,
            REQUESTS.c.state == "failed",
        )
        async with self.database.reading(settled=True) as connection:
            return int(await connection.scalar(query) or 0)
