"""That a worker is there, for the operator to see, and which programs it found beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from providers.extraction.tools import LIBREOFFICE, PDFTOTEXT, Probe, probe
from storage.errors import StorageError
from storage.repositories.workers import Workers
from storage.tables.types import instant

BEAT_SECONDS = 10.0
FORGOTTEN = timedelta(hours=1)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attendance:
    """Run `run` as long as the worker does, and `leave` after it."""

    workers: Workers
    worker_id: str
    clock: Callable[[], float]

    async def run(self) -> None:
        """Until it is cancelled."""
        tools: dict[str, Any] = {}
        while True:
            now = instant(self.clock())
            try:
                await self.workers.beat(self.worker_id, now, tools, now - FORGOTTEN)
            except StorageError as error:
                log.warning("worker_not_announced", reason=str(error))
            if not tools:
                tools = {"pdftotext": _told(await probe(PDFTOTEXT)), "libreoffice": _told(await probe(LIBREOFFICE))}
            else:
                await asyncio.sleep(BEAT_SECONDS)

    async def leave(self) -> None:
        try:
            await self.workers.leave(self.worker_id)
        except StorageError as error:
            log.warning("worker_not_dismissed", reason=str(error))  # it is forgotten after a while


def _told(found: Probe) -> dict[str, Any]:
    told = {"path": str(found.path) if found.path else None, "version": found.version, "error": found.problem}
    return {"available": found.usable, **{name: value for name, value in told.items() if value is not None}}
