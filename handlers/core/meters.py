"""Counts what projects use. What is counted along with something else that is written belongs into that transaction
(`storage.repositories.meters`); what is only read is counted here, and written down together every second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from storage.database import Database
from storage.errors import StorageError
from storage.repositories.meters import Meter, Meters
from storage.tables.types import instant

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 1.0
DAY_SECONDS = 86_400


class MeterBook:
    """Run `run` as long as the process lives, and `flush` after it. What a process that is killed had not written, the
    last second's, is not counted."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._counted: dict[tuple[str, str, int], int] = {}
        """By project, kind and day, which is counted from 1970."""

    def count(self, project_id: str, kind: str, amount: int) -> None:
        meter = (project_id, kind, int(self._clock() // DAY_SECONDS))
        self._counted[meter] = self._counted.get(meter, 0) + amount

    async def of_month(self, project_id: str, month: str) -> dict[str, int]:
        """By kind, with all that this process counted; `month` is `2026-03`."""
        await self.flush()
        return await Meters(self._database).of_month(project_id, month)

    async def flush(self) -> None:
        """Raises `StorageError`, and counts on."""
        if not self._counted:
            return
        taken, self._counted = self._counted, {}
        try:
            async with self._database.writing() as tx:
                await Meters(self._database).add(tx, {_meter(*key): amount for key, amount in taken.items()})
        except BaseException:
            for key, amount in taken.items():
                self._counted[key] = self._counted.get(key, 0) + amount
            raise

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except StorageError as error:
                log.warning("meters_not_written", reason=str(error))


def _meter(project_id: str, kind: str, day: int) -> Meter:
    return Meter(project_id, kind, instant(day * DAY_SECONDS).date().isoformat())
