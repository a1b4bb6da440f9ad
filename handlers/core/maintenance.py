"""The job that forgets what nobody needs any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.core.jobs import Definition, Run
from storage.database import Database
from storage.repositories.capture_policies import CapturePolicies
from storage.repositories.captured import CapturedMessages
from storage.repositories.idempotency import IdempotencyKeys
from storage.repositories.jobs import Jobs
from storage.repositories.limits import Limits
from storage.repositories.projects import Projects
from storage.repositories.telemetry import TelemetryLog
from storage.tables.types import instant

DAY_SECONDS = 86_400
WINDOWS_KEPT_SECONDS = 2 * DAY_SECONDS
"""Windows of limits last a day at most."""
JOBS_KEPT_SECONDS = 30 * DAY_SECONDS
JOBS_AT_ONCE = 500
MOST_MERGES = 2_000
SOME = 500
"""So few that no answer waits long for its own commit."""


class Leftovers(Protocol):
    """A blob store in which uploads that were broken off leave something."""

    async def purge(self, before: float) -> int:
        """Forgets what was last written to before then (unix seconds); answers how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class Maintenance:
    database: Database
    blobs: Leftovers
    clock: Callable[[], float]
    capture_days: int

    @property
    def definition(self) -> Definition:
        return Definition("maintenance", self.run, cron="17 * * * *")

    async def run(self, run: Run) -> dict[str, Any]:
        """How many of each were forgotten, and how much was done for what is kept."""
        acts = {
            "idempotency_keys": self._idempotency_keys,
            "limit_windows": self._limit_windows,
            "broken_uploads": self._broken_uploads,
            "jobs": self._jobs,
            "telemetry": self._telemetry,
            "captured_messages": self._captured_messages,
            "merges_of_words": self._merges_of_words,
        }
        return {name: await run.step(name, act) for name, act in acts.items()}

    async def _idempotency_keys(self) -> int:
        return await IdempotencyKeys(self.database).purge(instant(self.clock()))

    async def _limit_windows(self) -> int:
        return await Limits(self.database).purge(int(self.clock()) - WINDOWS_KEPT_SECONDS)

    async def _broken_uploads(self) -> int:
        return await self.blobs.purge(self.clock() - DAY_SECONDS)

    async def _jobs(self) -> int:
        before, forgotten = instant(self.clock() - JOBS_KEPT_SECONDS), 0
        while batch := await Jobs(self.database).purge(before, JOBS_AT_ONCE):
            forgotten += batch
        return forgotten

    async def _captured_messages(self) -> int:
        """By each project's own policy as it is now, else after `capture_days`."""
        messages, forgotten = CapturedMessages(self.database), 0
        own = {row.project_id: row.policy["retention_days"] for _, row in await CapturePolicies(self.database).list()}
        for project in await Projects(self.database).list():
            before = self.clock() - own.get(project.id, self.capture_days) * DAY_SECONDS
            if before <= 0:
                continue
            while batch := await messages.purge(project.id, instant(before), SOME):
                forgotten += batch
        return forgotten

    async def _merges_of_words(self) -> int:
        messages, merges = CapturedMessages(self.database), 0
        while merges < MOST_MERGES and await messages.merge():
            merges += 1
        return merges

    async def _telemetry(self) -> int:
        now, forgotten = instant(self.clock()), 0
        while batch := await TelemetryLog(self.database).purge(now, SOME):
            forgotten += batch
        return forgotten
