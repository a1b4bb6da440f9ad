"""Whether storage answers, asked at most once a second however many want to know."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from storage.database import Database
from storage.errors import StorageError

REMEMBERED_SECONDS = 1.0
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Readiness:
    database: Database
    clock: Callable[[], float] = time.monotonic
    _looked_at: float = float("-inf")
    _ready: bool = False

    async def look(self) -> bool:
        now = self.clock()
        if now - self._looked_at >= REMEMBERED_SECONDS:
            self._ready = await self._ask()
            self._looked_at = now
        return self._ready

    async def _ask(self) -> bool:
        try:
            await self.database.revision()
        except StorageError as error:
            log.warning("storage_not_ready", reason=str(error))
            return False
        return True
