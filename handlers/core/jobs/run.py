"""What the function of a job is given: its input, and the means to do it in steps and to tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from handlers.core.errors import CoreError, RateLimited, Unavailable
from handlers.core.jobs.definition import Definition
from handlers.core.jobs.jobs import Jobs
from storage.errors import StorageUnavailable
from storage.repositories import jobs as rows
from storage.repositories.job_events import JobEvent, JobEvents, Told
from storage.repositories.jobs import Job
from storage.tables.types import instant
from storage.workflows import Steps

if TYPE_CHECKING:
    from handlers.core.services import Services

LONGEST_BACKOFF_SECONDS = 60.0


class StepFailed(CoreError):
    """A step has failed for good, now or before a crash; status, code and message are those of what it raised."""

    def __init__(self, message: str, *, code: str, status: int) -> None:
        super().__init__(message, code=code)
        self.status = status


@dataclass(slots=True)
class _Place:
    """Where in a job's course something is told: in a step, or between steps; and how much was told there."""

    name: str
    told: int = 0


_step: ContextVar[_Place | None] = ContextVar("step", default=None)


class Run:
    """One execution of a job. After a crash there is another, which calls the function from its start: steps that were
    finished are not done again, and events that were told are not told again.

    So between steps the function only decides, and always the same; what it reads, writes or asks for is in a step.
    """

    def __init__(self, job: Job, definition: Definition, services: Services, steps: Steps) -> None:
        self.job = job
        self.services = services
        self._definition = definition
        self._steps = steps
        self._between = _Place("b")
        self._count = 0

    @property
    def input(self) -> Any:
        return self.job.input

    @property
    def project_id(self) -> str:
        """Raises `ValueError` for a job of the server itself."""
        if self.job.project_id is None:
            raise ValueError(f"the job {self.job.id} has no project")
        return self.job.project_id

    async def step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """What `work` answers, as JSON makes it (a tuple comes back as a list). It may be done twice when a process
        dies at its end, so that what it does must be the same when it is done again.

        Raises `StepFailed` when it raised a `CoreError` that retrying cannot mend, or did so too often.
        """
        if _step.get() is not None:
            raise RuntimeError("a step has no steps of its own")
        self._count += 1
        place = f"s{self._count}"
        outcome = await self._steps.step(name, lambda: self._try(place, work))
        if "failed" in outcome:
            raise StepFailed(**outcome["failed"])
        return outcome["value"]

    async def progress(self, fraction: float, note: str | None = None) -> None:
        """`fraction` from 0 to 1. To get further than ever before shows that a job that was crashed over is no trap."""
        self._hold_on(await self._rows.report(self.job, fraction, note))
        self._jobs.tell(self.job.id)

    async def emit(self, kind: str, *data: Any) -> None:
        """Tells an event for each of `data`, JSON values, for those who follow the job.

        In a step that is done again, the first event that it tells is the first that it told before, and is not told
        again, whatever it holds, and so with the second: see `told_before`.
        """
        place, now = _step.get() or self._between, instant(self._jobs.clock())
        marks = range(place.told, place.told + len(data))
        told = [Told(f"{place.name}.{mark}", now, kind, one) for mark, one in zip(marks, data, strict=True)]
        place.told += len(data)
        self._hold_on(await JobEvents(self._jobs.database).append(self.job, told))
        self._jobs.tell(self.job.id)

    async def told_before(self) -> Sequence[JobEvent]:
        """What this step told when it was tried before and did not get to its end. From then on what it tells comes
        behind that. For steps whose events differ each time, such as the pieces of a model's answer."""
        place = _step.get()
        if place is None:
            raise RuntimeError("only steps are done again")
        before = await JobEvents(self._jobs.database).told_at(self.job.id, place.name)
        place.told = max(place.told, len(before))
        return before

    async def _try(self, place: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """An outcome to be remembered: a value, or a failure for good."""
        for number in range(1, self._definition.tries + 1):
            token = _step.set(_Place(place))
            try:
                return {"value": orjson.loads(orjson.dumps(await work()))}
            except CoreError as error:
                failure = error
            except StorageUnavailable as error:
                failure = Unavailable(str(error))
            finally:
                _step.reset(token)
            if not failure.retryable or number == self._definition.tries:
                break
            await asyncio.sleep(self._pause(number, failure))
        return {"failed": {"message": failure.message, "code": failure.code, "status": failure.status}}

    def _pause(self, number: int, failure: CoreError) -> float:
        pause = min(self._definition.backoff_seconds * 2.0 ** (number - 1), LONGEST_BACKOFF_SECONDS)
        return max(pause, failure.retry_after_seconds) if isinstance(failure, RateLimited) else pause

    @property
    def _jobs(self) -> Jobs:
        return self.services.jobs

    @property
    def _rows(self) -> rows.Jobs:
        return rows.Jobs(self._jobs.database)

    def _hold_on(self, is_ours: bool) -> None:
        if not is_ours:
            raise asyncio.CancelledError("another process has taken this job over")
