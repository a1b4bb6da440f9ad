"""What handlers do with jobs: ask for them, look at them, follow what they tell, cancel them, schedule them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from handlers.core.errors import Conflict, NotFound
from handlers.core.jobs.bell import Bell
from handlers.core.jobs.cron import next_time
from storage.database import Database, Transaction
from storage.repositories import jobs as rows
from storage.repositories.job_events import JobEvent, JobEvents
from storage.repositories.job_schedules import JobSchedule, JobSchedules
from storage.repositories.jobs import Filter, Job, JobState
from storage.tables.types import instant

LOOK_SECONDS = 0.25
"""How often who follows a job looks for what another process has told."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """`project_id` None is the server itself. Methods that name a job raise `NotFound` when the project has no such
    job. All raise `storage.errors.StorageError`.

    `wanted` rings when there is something to do for this process's worker, `bell(job_id)` when a job told something.
    """

    database: Database
    clock: Callable[[], float]
    new_id: Callable[[str], str]
    wanted: Bell = field(default_factory=Bell)
    _bells: WeakValueDictionary[str, Bell] = field(default_factory=WeakValueDictionary)

    async def enqueue(
        self, kind: str, input: Any, project_id: str | None, *, job_id: str | None = None, tx: Transaction | None = None
    ) -> Job:
        """`input` is a JSON value. A job of this id that is already there is answered as it is, and no other is made;
        raises `Conflict` when it is another project's. With `tx` there is a job when that commits, and not before."""
        job = Job(job_id or self.new_id("job"), project_id, kind, input, instant(self.clock()))
        repository = rows.Jobs(self.database)
        if tx is not None:
            await repository.insert(tx, job)
            return job
        async with self.database.writing() as own:
            is_new = await repository.insert(own, job)
        self.wanted.ring()
        known = job if is_new else await repository.get(project_id, job.id)
        if known is None:
            raise Conflict(f"the id {job.id} is taken", code="job_id_taken")
        return known

    async def enter(self, job: Job) -> None:
        """Keeps work that was done without a worker, so that it can be read as any other."""
        async with self.database.writing() as tx:
            await rows.Jobs(self.database).insert(tx, job)

    async def get(self, project_id: str | None, job_id: str) -> Job:
        return _there(await rows.Jobs(self.database).get(project_id, job_id), job_id)

    async def cancel(self, project_id: str | None, job_id: str) -> Job:
        """One that runs is cancelled within a second or so; one that has ended stays as it is."""
        job = await rows.Jobs(self.database).request_cancel(project_id, job_id, instant(self.clock()))
        self.wanted.ring()
        self.tell(job_id)
        return _there(job, job_id)

    async def delete(self, project_id: str | None, job_id: str) -> None:
        """Leaves nothing of it, and does nothing when there is no such job. One that runs is stopped, and is to find by
        itself that it is gone."""
        await rows.Jobs(self.database).delete(project_id, job_id)
        self.tell(job_id)

    async def events(self, project_id: str | None, job_id: str, after: int = 0) -> Sequence[JobEvent]:
        """Those that are there, at most 1000; none when there is no such job."""
        return await JobEvents(self.database).list(project_id, job_id, after)

    async def follow(self, project_id: str | None, job_id: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """Every event behind the sequence number `after`, as they come; ends when the job has, and all is told."""
        bell = self.bell(job_id)
        while True:
            ticket = bell.ticket()
            job = await self.get(project_id, job_id)  # before its events: a final job tells nothing more
            found = await self.events(project_id, job_id, after)
            for told in found:
                yield told
                after = told.sequence
            if not found:
                if job.is_final:
                    return
                await bell.wait(ticket, LOOK_SECONDS)

    async def wait(self, project_id: str | None, job_id: str) -> Job:
        """The job once it has ended."""
        bell = self.bell(job_id)
        while True:
            ticket = bell.ticket()
            job = await self.get(project_id, job_id)
            if job.is_final:
                return job
            await bell.wait(ticket, LOOK_SECONDS)

    async def list(
        self,
        project_id: str | None,
        *,
        kind: str | None = None,
        states: Collection[JobState] = (),
        after: str | None = None,
        limit: int = 20,
    ) -> Sequence[Job]:
        """Newest first, from the one behind the job `after` on."""
        return await rows.Jobs(self.database).list(Filter(project_id or "", kind, states, after, limit))

    async def schedule(self, kind: str, input: Any, project_id: str | None, *, cron: str, schedule_id: str) -> None:
        """Makes such a job at every time that `cron` names, in UTC; replaces the schedule of this id. What was missed
        while no worker ran is made once. Raises `Invalid` for what is no cron expression."""
        next_at = next_time(cron, instant(self.clock()))
        await JobSchedules(self.database).put(JobSchedule(schedule_id, project_id, kind, input, cron, next_at))

    async def unschedule(self, project_id: str | None, schedule_id: str) -> None:
        if not await JobSchedules(self.database).delete(project_id, schedule_id):
            raise NotFound(f"there is no schedule {schedule_id}", code="schedule_not_found")

    async def enqueue_due(self) -> None:
        """Makes what schedules name, once among all processes."""
        schedules, now = JobSchedules(self.database), instant(self.clock())
        for due in await schedules.due(now):
            async with self.database.writing() as tx:
                if await schedules.move_on(tx, due, next_time(due.cron, now)):
                    await self.enqueue(due.kind, due.input, due.project_id, tx=tx)
            self.wanted.ring()

    def bell(self, job_id: str) -> Bell:
        """It rings as long as somebody holds it."""
        return self._bells.setdefault(job_id, Bell())

    def tell(self, job_id: str) -> None:
        """Wakes those in this process who follow the job."""
        bell = self._bells.get(job_id)
        if bell is not None:
            bell.ring()


def _there(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise NotFound(f"there is no job {job_id}", code="job_not_found")
    return job
