"""The job that clears away files whose time is over, and bytes that nothing refers to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from handlers.core.files import FileStore
from handlers.core.jobs import Definition, Run
from storage.repositories.blobs import BlobRows
from storage.repositories.files import Files
from storage.tables.types import instant

AT_ONCE = 200
ROWS_KEPT_SECONDS = 30 * 86_400
"""A deleted file's row marks its place for who pages through a list."""


@dataclass(frozen=True, slots=True)
class FileCleaning:
    files: FileStore

    @property
    def definition(self) -> Definition:
        return Definition("file_cleaning", self.run, cron="7,37 * * * *")

    async def run(self, run: Run) -> dict[str, Any]:
        """How many of each were cleared away."""
        acts = {"expired_files": self._expire, "blobs": self._remove_blobs, "deleted_files": self._purge}
        return {name: await run.step(name, lambda act=act: _until_done(act)) for name, act in acts.items()}  # type: ignore[misc]

    async def _expire(self) -> int:
        return await Files(self.files.database).expire(instant(self.files.clock()), AT_ONCE)

    async def _remove_blobs(self) -> int:
        rows = BlobRows(self.files.database)
        doomed = await rows.doom(instant(self.files.clock()), AT_ONCE)
        for key in doomed:
            await self.files.blobs.delete(key)
        if doomed:
            await rows.forget(doomed)
        return len(doomed)

    async def _purge(self) -> int:
        return await Files(self.files.database).purge(instant(self.files.clock() - ROWS_KEPT_SECONDS), AT_ONCE)


async def _until_done(act: Callable[[], Awaitable[int]]) -> int:
    total = 0
    while done := await act():
        total += done
    return total
