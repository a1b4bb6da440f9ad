"""The job that clears away items whose time is over, and meters what is stored where nothing else happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from handlers.core.jobs import Definition, Run
from handlers.core.kv import KvStore

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class KvCleaning:
    kv: KvStore

    @property
    def definition(self) -> Definition:
        return Definition("kv_cleaning", self.run, cron="27 * * * *")

    async def run(self, run: Run) -> dict[str, Any]:
        """How many projects were looked at."""
        return {"projects": await run.step("settle", self._settle)}

    async def _settle(self) -> int:
        done, after = 0, ""
        while some := await self.kv.items.projects(after, AT_ONCE):
            for project_id in some:
                await self.kv.items.sums(project_id, self.kv.now_us())
            done, after = done + len(some), some[-1]
        return done
