"""How a process notices that keys, projects or limits were changed, by itself or by another process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from storage.database import Database
from storage.repositories.changes import Changes

STALE_SECONDS = 3.0


class Watch:
    """`generation` goes up whenever a look finds a change: what was remembered under a lower one is out of date.

    Somebody looks every second or so. When nobody could for `STALE_SECONDS`, `fresh` looks itself, and raises
    `StorageUnavailable` when it cannot: what was revoked must not live on because the database is away.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.generation = 0
        self._changes = Changes(database)
        self._clock = clock
        self._counter: int | None = None
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def look(self) -> int:
        async with self._looking:
            return await self._look()

    async def fresh(self) -> int:
        if self.is_stale(self._clock()):
            async with self._looking:
                if self.is_stale(self._clock()):
                    await self._look()
        return self.generation

    def is_stale(self, now: float) -> bool:
        """Whether `fresh` would look; where it would not, `generation` is as good."""
        return now - self._looked_at > STALE_SECONDS

    async def _look(self) -> int:
        looked_at = self._clock()
        counter = await self._changes.current()
        if counter != self._counter:
            self._counter = counter
            self.generation += 1
        self._looked_at = looked_at
        return self.generation
