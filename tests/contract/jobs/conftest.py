"""Jobs over both databases, done by a worker in this process; dbos allows one at a time."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from handlers.core.jobs import Definition, Definitions, Job, Jobs, Run
from handlers.core.jobs.bell import Bell
from server.worker import Pace, Worker
from storage.database import Database
from tests.contract.storage.conftest import Two, database, database_url, postgres_url, projects
from tests.unit.handlers.bench import make_services

__all__ = ["database", "database_url", "postgres_url", "projects"]

QUICK = Pace(look=0.05, beat=0.5, bury=0.1, sweep=0.2, retry=0.05)
PATIENCE_SECONDS = 60


class Looks(Bell):
    """Counts the turns of a worker, who takes a ticket at the beginning of each."""

    taken = 0

    def ticket(self) -> asyncio.Event:
        self.taken += 1
        return super().ticket()


@dataclass
class Bench:
    jobs: Jobs
    project_id: str
    looks: Looks

    async def enqueue(self, kind: str, input: Any = None) -> Job:
        return await self.jobs.enqueue(kind, input, self.project_id)

    async def ended(self, job: Job) -> Job:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.jobs.wait(job.project_id, job.id)

    async def looked(self) -> None:
        """Once the worker has looked for work anew, from the beginning of a turn to its end."""
        enough = self.looks.taken + 2
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.looks.taken < enough:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @asynccontextmanager
    async def worker(self, *definitions: Definition, max_jobs: int = 8) -> AsyncIterator[Worker]:
        worker = Worker(make_services(jobs=self.jobs), Definitions(definitions), max_jobs, QUICK)
        running = asyncio.ensure_future(worker.run())
        try:
            yield worker
        finally:
            running.cancel()
            await asyncio.wait({running})
            await worker.close()


@pytest.fixture
async def bench(database: Database, projects: Two) -> Bench:
    numbers = itertools.count()
    looks = Looks()
    jobs = Jobs(database, time.time, lambda noun: f"{noun}-{projects.mine.id}-{next(numbers)}", looks)
    return Bench(jobs, projects.mine.id, looks)


def defined(kind: str) -> Callable[[Callable[[Run], Awaitable[Any]]], Definition]:
    return lambda work: Definition(kind, work, tries=3, backoff_seconds=0.01)
