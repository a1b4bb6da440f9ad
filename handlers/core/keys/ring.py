"""The keys as a running server knows them.

Every request's key is checked here, in the usual case without asking the database. What is remembered is dropped as
soon as the database's change counter moves, which is looked at every second: a key that another process revokes stops
within that time, and one that it makes works at once, because an unknown key is asked for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from handlers.core.call import Caller
from handlers.core.keys.secrets import digest
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.repositories.keys import AdminTokens, Keys
from storage.repositories.projects import Projects
from storage.tables.types import instant
from storage.watch import Watch


@dataclass(frozen=True, slots=True)
class RingSettings:
    """An unknown key is remembered as unknown for `miss_seconds`; `remembered` bounds each kind of memory, in keys."""

    refresh_seconds: float = 1.0
    miss_seconds: float = 1.0
    flush_seconds: float = 10.0
    remembered: int = 100_000


@dataclass(frozen=True, slots=True)
class Known:
    """A key in force. `expires_at` is unix seconds."""

    caller: Caller
    key_id: str
    expires_at: float | None


class KeyRing:
    """All methods raise `StorageUnavailable` when the database had to be asked and is away."""

    def __init__(
        self, database: Database, settings: RingSettings | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings or RingSettings()
        self._clock = clock
        self._keys = Keys(database)
        self._tokens = AdminTokens(database)
        self._projects = Projects(database)
        self._watch = Watch(database, clock)
        self._generation = 0
        self._known: dict[str, Known] = {}
        self._admins: set[str] = set()
        self._members: dict[str, Caller] = {}
        self._missed: dict[str, float] = {}
        self._used: dict[str, float] = {}

    async def find(self, presented: str) -> Caller | None:
        """The caller whose key this is; None when it is unknown, revoked, expired or of a deleted project."""
        now = self._clock()
        if self._watch.is_stale(now):
            await self._watch.fresh()
        if self._watch.generation != self._generation:
            self._keep_up_with(self._watch.generation)
        hashed = digest(presented)
        known = self._known.get(hashed)
        if known is None:
            known = await self._look_up(hashed)
            now = self._clock()
        if known is None or (known.expires_at is not None and known.expires_at <= now):
            return None
        self._used[known.key_id] = now
        return known.caller

    async def admin(self, token: str) -> bool:
        """Whether this is an admin token; an API key never is."""
        generation = self._keep_up_with(await self._watch.fresh())
        hashed = digest(token)
        if hashed in self._admins:
            return True
        if self._is_missed("admin:" + hashed):
            return False
        found = await self._tokens.presented(hashed)
        if found is None or found.revoked_at is not None:
            self._miss("admin:" + hashed, generation)
            return False
        if generation == self._generation:
            self._admins.add(hashed)
        return True

    async def member(self, project: str) -> Caller | None:
        """A caller of the project with this slug and without a key: for `--no-auth`, and for an administrator who
        names a project (with `dataclasses.replace(caller, admin=True)`)."""
        generation = self._keep_up_with(await self._watch.fresh())
        if project in self._members:
            return self._members[project]
        found = await self._projects.find(project)
        if found is None:
            return None
        caller = Caller(project_id=found.id, project=found.slug)
        if generation == self._generation:
            self._members[project] = caller
        return caller

    async def refresh(self) -> None:
        """Forgets what is remembered if anything changed."""
        self._keep_up_with(await self._watch.look())

    async def flush(self) -> None:
        """Writes down when keys were last used."""
        used, self._used = self._used, {}
        if used:
            await self._keys.touch({key_id: instant(at) for key_id, at in used.items()})

    async def run(self) -> None:
        """Refreshes and flushes until cancelled; belongs into the server's TaskGroup. Call `flush` once more after."""
        flushed_at = self._clock()
        while True:
            await asyncio.sleep(self._settings.refresh_seconds)
            try:
                await self.refresh()
                if self._clock() - flushed_at >= self._settings.flush_seconds:
                    flushed_at = self._clock()
                    await self.flush()
            except StorageUnavailable:
                continue  # requests notice by themselves, see `Watch`

    def _keep_up_with(self, generation: int) -> int:
        if generation > self._generation:
            self._generation = generation
            for remembered in (self._known, self._admins, self._members, self._missed):
                remembered.clear()
        return self._generation

    async def _look_up(self, hashed: str) -> Known | None:
        generation = self._generation
        if self._is_missed(hashed):
            return None
        found = await self._keys.presented(hashed)
        if found is None:
            self._miss(hashed, generation)
            return None
        key, slug = found
        caller = Caller(project_id=key.project_id, project=slug, key_id=key.id, models=key.models, apis=key.apis)
        known = Known(caller, key.id, key.expires_at.timestamp() if key.expires_at else None)
        # a change seen while we were asking may have revoked this very key: then it serves this request only
        if generation == self._generation:
            if len(self._known) >= self._settings.remembered:
                self._known.clear()
            self._known[hashed] = known
        return known

    def _is_missed(self, hashed: str) -> bool:
        return self._missed.get(hashed, 0.0) > self._clock()

    def _miss(self, hashed: str, generation: int) -> None:
        if generation != self._generation:
            return
        if len(self._missed) >= self._settings.remembered:
            self._missed.clear()
        self._missed[hashed] = self._clock() + self._settings.miss_seconds
