"""Does the background jobs: in the server, or in any number of processes of their own, on one database.

A job is claimed by one process, which holds a lease in `processes` as long as it runs any. A process that dies loses
its jobs, once its lease has run out or, on the same host, at once, to another that goes on with them from their last
finished step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import orjson
import structlog

from handlers.core.errors import CoreError
from handlers.core.jobs import Definitions, Job, Run
from handlers.core.services import Services
from storage.errors import StorageError
from storage.presence import Presence
from storage.repositories.jobs import Ending, Jobs
from storage.tables.types import instant
from storage.workflows import Steps, Workflows

Answer = TypeVar("Answer")
log = structlog.get_logger(__name__)

LEASE_SECONDS = 5.0
MAX_CRASHES = 5
"""How many processes may die over a job, without its getting further, until it has failed."""
UNWIND_SECONDS = 5.0
"""What a job that is told to stop gets to let go of what it holds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often is looked for work, for the dead, for what nobody took, and for what may be forgotten. All in
    seconds."""

    look: float = 0.5
    beat: float = 1.0
    bury: float = 1.0
    recall: float = 2.0
    sweep: float = 10.0
    retry: float = 1.0


class Worker:
    """`max_jobs` run at the same time. Run `run` as long as the process lives, and call `close` after it."""

    def __init__(self, services: Services, definitions: Definitions, max_jobs: int, pace: Pace | None = None) -> None:
        database = services.jobs.database
        self._services = services
        self._jobs = services.jobs
        self._rows = Jobs(database)
        self._definitions = definitions
        self._max_jobs = max_jobs
        self._pace = pace or Pace()
        self._presence = Presence(database, lease_seconds=LEASE_SECONDS)
        self._me = self._presence.process_id
        self._workflows = Workflows(database, self._me, self._execute)
        self._submitted: set[str] = set()
        self._resumed: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._settling: set[str] = set()
        self._last: dict[str, float] = {}
        self._is_stopping = False

    @property
    def process_id(self) -> str:
        """Under which it holds its jobs."""
        return self._me

    async def run(self) -> None:
        """Until it is cancelled. Nothing is heard of a database that is away but a warning."""
        while True:
            ticket = self._jobs.wanted.ticket()
            try:
                await self._turn()
            except StorageError as error:
                log.warning("jobs_not_looked_for", reason=str(error))
            except Exception:
                log.exception("jobs_not_looked_for")
            await self._jobs.wanted.wait(ticket, self._pace.look)

    async def close(self) -> None:
        """Hands back what is not finished: another process, or the next start of this one, goes on with it."""
        self._is_stopping = True
        for job_id in self._running.keys() - self._settling:
            self._running[job_id].cancel()
        if self._running:
            await asyncio.wait(self._running.values(), timeout=UNWIND_SECONDS)
        try:
            await self._rows.hand_back(self._me)
            await self._presence.leave()
        except StorageError as error:
            log.warning("jobs_not_handed_back", reason=str(error))  # they are missed when the lease has run out
        await self._workflows.stop()

    async def _turn(self) -> None:
        if self._running:
            await self._beat()
            await self._watch()
        if self._is_time("schedule", self._pace.bury):
            await self._keep_schedules()
        free = self._max_jobs - len(self._running) - len(self._submitted)
        unfinished = await self._rows.unfinished(self._me, self._definitions.kinds) if free > 0 else frozenset()
        if "running" in unfinished and self._is_time("bury", self._pace.bury):
            await self._presence.bury()
            free -= await self._adopt(free)
        if "queued" in unfinished and free > 0:
            await self._claim(free)
        if self._resumed and self._is_time("recall", self._pace.recall):
            await self._recall()
        if self._workflows.is_started and self._is_time("sweep", self._pace.sweep):
            await self._sweep()

    async def _keep_schedules(self) -> None:
        if "installed" not in self._last:
            for definition, cron in self._definitions.scheduled():
                await self._jobs.schedule(definition.kind, None, None, cron=cron, schedule_id=definition.kind)
            self._last["installed"] = time.monotonic()
        await self._jobs.enqueue_due()

    async def _claim(self, free: int) -> None:
        await self._workflows.start()
        await self._beat()
        claimed = await self._rows.claim(self._me, self._definitions.kinds, free, instant(self._services.clock()))
        await self._submit([job.id for job in claimed])

    async def _adopt(self, free: int) -> int:
        """Answers how many."""
        await self._beat()
        adopted = await self._rows.adopt(self._me, self._definitions.kinds, free)
        alive = [job for job in adopted if not await self._is_given_up(job)]
        if alive:
            await self._workflows.start()
            await self._go_on_with(alive)
        return len(alive)

    async def _is_given_up(self, job: Job) -> bool:
        if job.is_cancelling:
            ending = self._ending("cancelled")
        elif job.crashes >= MAX_CRASHES:
            ending = self._failure("worker_died", f"{job.crashes} processes died while they ran it")
        else:
            return False
        await self._rows.finish(job, ending)
        self._jobs.tell(job.id)
        return True

    async def _go_on_with(self, jobs: Sequence[Job]) -> None:
        log.info("jobs_taken_over", jobs=[job.id for job in jobs])
        known, living = await self._workflows.progress(job.id for job in jobs), await self._presence.living()
        unknown = [job.id for job in jobs if job.id not in known]
        await self._workflows.forget(unknown)
        await self._submit(unknown)
        for job_id, progress in known.items():
            if not progress.is_waiting and progress.process_id not in living - {self._me}:
                await self._workflows.resume(job_id)
        self._resumed.update(known)

    async def _recall(self) -> None:
        """What is resumed, any process may take, and one that does not know the kind lets go of it again."""
        self._resumed &= (await self._rows.held(self._me)).keys() - self._running.keys()
        for job_id, progress in (await self._workflows.progress(self._resumed)).items():
            if not progress.is_waiting and progress.process_id != self._me:
                await self._workflows.resume(job_id)

    async def _sweep(self) -> None:
        """Forgets workflows that are over, and those of which a process that died, or that lost the job, wrote down all
        but their end."""
        await self._workflows.sweep()
        left, living = await self._workflows.progress(), await self._presence.living()
        others, mine = living - {self._me}, self._running.keys() | self._submitted
        dead = [job_id for job_id, one in left.items() if one.process_id not in others and job_id not in mine]
        await self._workflows.forget(set(dead) - await self._rows.open_among(dead))

    async def _submit(self, job_ids: Sequence[str]) -> None:
        self._submitted.update(job_ids)
        try:
            await asyncio.gather(*(self._workflows.submit(job_id) for job_id in job_ids))
        except Exception as error:
            log.error("jobs_not_started", reason=repr(error))
            self._submitted.difference_update(job_ids)
            await self._rows.hand_back(self._me, job_ids)

    async def _watch(self) -> None:
        """Stops jobs that are to be cancelled, and those that another process has taken over."""
        mine = list(self._running)
        held = await self._rows.held(self._me)
        for job_id in mine:
            is_over = job_id not in self._running or job_id in self._cancelled | self._settling
            if is_over or held.get(job_id) is False:
                continue
            if job_id in held:
                self._cancelled.add(job_id)
            self._running[job_id].cancel()

    async def _execute(self, job_id: str, steps: Steps) -> None:
        """The body of every workflow."""
        if self._is_stopping:
            raise asyncio.CancelledError("this process is stopping")
        await self._insist(self._beat)
        job = await self._insist(lambda: self._rows.take_over(self._me, job_id, self._definitions.kinds))
        if job is None:
            self._submitted.discard(job_id)
            await self._leave(job_id)
            return
        task = asyncio.current_task()
        assert task is not None
        self._running[job_id] = task
        self._submitted.discard(job_id)
        try:
            ending = await self._work(job, steps)
            self._settling.add(job_id)
            await self._insist(lambda: self._rows.finish(job, ending))
        finally:
            del self._running[job_id]
            self._cancelled.discard(job_id)
            self._settling.discard(job_id)
        self._jobs.tell(job_id)
        self._jobs.wanted.ring()

    async def _leave(self, job_id: str) -> None:
        """Raises `CancelledError`, which lets the workflow go on elsewhere, for a job of a kind that is not known here:
        to a version that is older, say."""
        job = await self._insist(lambda: self._rows.find(job_id))
        if job is not None and not job.is_final and job.kind not in self._definitions.kinds:
            raise asyncio.CancelledError("this process does not know such jobs")

    async def _work(self, job: Job, steps: Steps) -> Ending:
        definition = self._definitions.of(job.kind)
        try:
            result = await definition.work(Run(job, definition, self._services, steps))
            return Ending("succeeded", instant(self._services.clock()), orjson.loads(orjson.dumps(result)))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if job.id not in self._cancelled or task is None:
                raise
            task.uncancel()
            return self._ending("cancelled")
        except CoreError as error:
            return self._failure(error.code, error.message)
        except Exception:
            log.exception("job_broke", job=job.id, kind=job.kind)
            return self._failure("internal_error", "the job met a fault of the server")

    def _ending(self, state: str) -> Ending:
        return Ending(state, instant(self._services.clock()))  # type: ignore[arg-type]

    def _failure(self, code: str, message: str) -> Ending:
        return Ending("failed", instant(self._services.clock()), error_code=code, error_message=message)

    async def _beat(self) -> None:
        if self._is_time("beat", self._pace.beat):
            try:
                await self._presence.beat()
            except StorageError:
                self._last.pop("beat")
                raise

    def _is_time(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._last.get(what, float("-inf")) < seconds:
            return False
        self._last[what] = now
        return True

    async def _insist(self, act: Callable[[], Awaitable[Answer]]) -> Answer:
        """A job's end must be written; until it is, the job is not over."""
        while True:
            try:
                return await act()
            except StorageError as error:
                log.warning("job_waits_for_storage", reason=str(error))
                await asyncio.sleep(self._pace.retry)
