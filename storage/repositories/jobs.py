"""Jobs: work that goes on when the request that asked for it is answered, and when a process dies."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, tuple_, update

from storage.database import Database, Transaction
from storage.tables.jobs import JobEventRow, JobRow
from storage.tables.traffic import ProcessRow
from storage.tables.types import core, plain

JOBS = core(JobRow)
EVENTS = core(JobEventRow)
PROCESSES = core(ProcessRow)

JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FINAL: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Job:
    """`input` and `result` are JSON values, `progress` is from 0 to 1. See `JobRow`."""

    id: str
    project_id: str | None
    kind: str
    input: Any
    created_at: datetime
    state: JobState = "queued"
    progress: float = 0.0
    note: str | None = None
    result: Any = None
    error_code: str | None = None
    error_message: str | None = None
    process_id: str | None = None
    crashes: int = 0
    is_cancelling: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Ending:
    state: JobState
    at: datetime
    result: Any = None
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs to list, newest first; None is any. `project_id` "" are the server's own."""

    project_id: str | None = None
    kind: str | None = None
    states: Collection[JobState] = ()
    after: str | None = None
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Jobs:
    """What a project asks for names the project; what a worker does is fenced by its process's id instead."""

    database: Database

    async def insert(self, tx: Transaction, job: Job) -> bool:
        """False when there is a job of this id."""
        statement = self.database.insert(JOBS).values(asdict(job)).on_conflict_do_nothing().returning(JOBS.c.id)
        return (await tx.execute(statement)).scalar_one_or_none() is not None

    async def get(self, project_id: str | None, job_id: str) -> Job | None:
        return await self._one(_of(project_id, job_id))

    async def find(self, job_id: str) -> Job | None:
        """Whosever it is: for the operator and for the worker."""
        return await self._one(JOBS.c.id == job_id)

    async def list(self, wanted: Filter) -> Sequence[Job]:
        place = (JOBS.c.created_at, JOBS.c.id)
        query = select(JOBS).order_by(*(column.desc() for column in place)).limit(wanted.limit)
        if wanted.project_id is not None:
            query = query.where(_owner(wanted.project_id or None))
        if wanted.kind is not None:
            query = query.where(JOBS.c.kind == wanted.kind)
        if wanted.states:
            query = query.where(JOBS.c.state.in_(wanted.states))
        if wanted.after is not None:
            query = query.where(tuple_(*place) < select(*place).where(JOBS.c.id == wanted.after).scalar_subquery())
        async with self.database.reading() as connection:
            return [Job(**plain(row)) for row in await connection.execute(query)]

    async def request_cancel(self, project_id: str | None, job_id: str, now: datetime) -> Job | None:
        """A queued job is cancelled by this, a running one is marked, a final one stays as it is."""
        async with self.database.writing() as tx:
            await _cancel(tx, _of(project_id, job_id), now)
        return await self.get(project_id, job_id)

    async def abandon(self, tx: Transaction, project_id: str, now: datetime) -> None:
        """Forgets all jobs of a project with their events, but those that run, which are marked."""
        await _cancel(tx, JOBS.c.project_id == project_id, now)
        final = and_(JOBS.c.project_id == project_id, JOBS.c.finished_at.is_not(None))
        await tx.execute(delete(EVENTS).where(EVENTS.c.job_id.in_(select(JOBS.c.id).where(final))))
        await tx.execute(delete(JOBS).where(final))

    async def unfinished(self, process_id: str, kinds: Collection[str]) -> frozenset[str]:
        """`queued` when there is anything to claim, `running` when other processes run, or ran, something."""
        others = or_(JOBS.c.state == "queued", JOBS.c.process_id.is_distinct_from(process_id))
        query = select(JOBS.c.state).distinct().where(JOBS.c.finished_at.is_(None), JOBS.c.kind.in_(kinds), others)
        async with self.database.reading() as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def claim(self, process_id: str, kinds: Collection[str], limit: int, now: datetime) -> Sequence[Job]:
        """Queued jobs, the oldest first, which are this process's to run from here on."""
        wanted = and_(JOBS.c.finished_at.is_(None), JOBS.c.state == "queued", JOBS.c.kind.in_(kinds))
        started = {"state": "running", "process_id": process_id, "started_at": func.coalesce(JOBS.c.started_at, now)}
        return await self._take(wanted, started, limit)

    async def adopt(self, process_id: str, kinds: Collection[str], limit: int) -> Sequence[Job]:
        """Running jobs of processes that are no more, or that handed them back."""
        wanted = and_(_is_orphan(), JOBS.c.kind.in_(kinds))
        crashes = JOBS.c.crashes + case((JOBS.c.process_id.is_(None), 0), else_=1)
        return await self._take(wanted, {"process_id": process_id, "crashes": crashes}, limit)

    async def take_over(self, process_id: str, job_id: str, kinds: Collection[str]) -> Job | None:
        """The job, if it is to be run and of one of these kinds: now by this process."""
        running = and_(JOBS.c.id == job_id, JOBS.c.state == "running", JOBS.c.kind.in_(kinds))
        taken = await self._take(running, {"process_id": process_id}, 1)
        return taken[0] if taken else None

    async def held(self, process_id: str) -> dict[str, bool]:
        """The jobs that this process runs, and whether each is to be cancelled."""
        query = select(JOBS.c.id, JOBS.c.is_cancelling).where(
            JOBS.c.process_id == process_id, JOBS.c.state == "running"
        )
        async with self.database.reading() as connection:
            return {row.id: row.is_cancelling for row in await connection.execute(query)}

    async def open_among(self, job_ids: Collection[str]) -> frozenset[str]:
        """Those that have not ended."""
        query = select(JOBS.c.id).where(JOBS.c.id.in_(job_ids), JOBS.c.finished_at.is_(None))
        async with self.database.reading() as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def hand_back(self, process_id: str, job_ids: Collection[str] | None = None) -> None:
        """Lets others go on with what this process runs: with these jobs, or with all."""
        held = and_(JOBS.c.process_id == process_id, JOBS.c.state == "running")
        if job_ids is not None:
            held = and_(held, JOBS.c.id.in_(job_ids))
        async with self.database.writing() as tx:
            await tx.execute(update(JOBS).where(held).values(process_id=None))

    async def report(self, job: Job, progress: float, note: str | None) -> bool:
        """Forgives the crashes when it got further than before; False when the job is not this process's any more."""
        values = {
            "progress": progress,
            "note": note,
            "crashes": case((JOBS.c.progress < progress, 0), else_=JOBS.c.crashes),
        }
        async with self.database.writing() as tx:
            return (await tx.execute(update(JOBS).where(mine(job)).values(values))).rowcount > 0

    async def finish(self, job: Job, ending: Ending) -> bool:
        """False when the job is not this process's any more."""
        values = {
            "state": ending.state,
            "finished_at": ending.at,
            "result": ending.result,
            "error_code": ending.error_code,
            "error_message": ending.error_message,
        }
        if ending.state == "succeeded":
            values["progress"] = 1.0
        async with self.database.writing() as tx:
            return (await tx.execute(update(JOBS).where(mine(job)).values(values))).rowcount > 0

    async def delete(self, project_id: str | None, job_id: str) -> None:
        """With its events."""
        async with self.database.writing() as tx:
            gone = await tx.execute(delete(JOBS).where(_of(project_id, job_id)))
            if gone.rowcount:
                await tx.execute(delete(EVENTS).where(EVENTS.c.job_id == job_id))

    async def count_by_state(self, since: datetime) -> dict[str, int]:
        """Everybody's, those that ended before then left out."""
        recent = or_(JOBS.c.finished_at.is_(None), JOBS.c.finished_at > since)
        query = select(JOBS.c.state, func.count()).where(recent).group_by(JOBS.c.state)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return {row[0]: row[1] for row in rows}

    async def oldest_queued(self) -> datetime | None:
        """When the job was made that has waited longest, of everybody's."""
        query = select(func.min(JOBS.c.created_at)).where(JOBS.c.state == "queued", JOBS.c.finished_at.is_(None))
        async with self.database.reading() as connection:
            found: datetime | None = (await connection.execute(query)).scalar_one()
        return found

    async def purge(self, before: datetime, limit: int) -> int:
        """Forgets jobs that ended before then, with their events; answers how many."""
        old = select(JOBS.c.id).where(JOBS.c.finished_at < before).limit(limit)
        async with self.database.writing() as tx:
            ids = list((await tx.execute(old)).scalars())
            await tx.execute(delete(EVENTS).where(EVENTS.c.job_id.in_(ids)))
            await tx.execute(delete(JOBS).where(JOBS.c.id.in_(ids)))
        return len(ids)

    async def _one(self, which: ColumnElement[bool]) -> Job | None:
        async with self.database.reading() as connection:
            row = (await connection.execute(select(JOBS).where(which))).one_or_none()
        return None if row is None else Job(**plain(row))

    async def _take(self, wanted: ColumnElement[bool], values: dict[str, Any], limit: int) -> Sequence[Job]:
        """One process alone gets each of them. On SQLite the transaction holds the write lock."""
        ids = select(JOBS.c.id).where(wanted).order_by(JOBS.c.created_at, JOBS.c.id).limit(limit)
        if self.database.dialect == "postgresql":
            ids = ids.with_for_update(skip_locked=True, of=JOBS)
        async with self.database.writing() as tx:
            chosen = list((await tx.execute(ids)).scalars())
            statement = update(JOBS).where(JOBS.c.id.in_(chosen)).values(values).returning(JOBS)
            taken = [Job(**plain(row)) for row in await tx.execute(statement)] if chosen else []
        return sorted(taken, key=lambda job: (job.created_at, job.id))


async def _cancel(tx: Transaction, which: ColumnElement[bool], now: datetime) -> None:
    queued = JOBS.c.state == "queued"
    values = {
        "state": case((queued, "cancelled"), else_=JOBS.c.state),
        "finished_at": case((queued, now), else_=JOBS.c.finished_at),
        "is_cancelling": True,
    }
    await tx.execute(update(JOBS).where(which, JOBS.c.finished_at.is_(None)).values(values))


def _owner(project_id: str | None) -> ColumnElement[bool]:
    return JOBS.c.project_id.is_(None) if project_id is None else JOBS.c.project_id == project_id


def _of(project_id: str | None, job_id: str) -> ColumnElement[bool]:
    return and_(JOBS.c.id == job_id, _owner(project_id))


def mine(job: Job) -> ColumnElement[bool]:
    """As long as the job runs in the process that `job` was read for."""
    return and_(JOBS.c.id == job.id, JOBS.c.process_id == job.process_id, JOBS.c.state == "running")


def _is_orphan() -> ColumnElement[bool]:
    living = select(PROCESSES.c.id).where(PROCESSES.c.id == JOBS.c.process_id).exists()
    return and_(JOBS.c.finished_at.is_(None), JOBS.c.state == "running", ~living)
