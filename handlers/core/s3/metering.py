"""The job that meters what is stored where nothing else happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from handlers.core.jobs import Definition, Run
from handlers.core.s3.store import ObjectStore
from storage.repositories.s3_account import S3Accounts

AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class StorageMetering:
    objects: ObjectStore

    @property
    def definition(self) -> Definition:
        return Definition("storage_metering", self.run, cron="17 * * * *")

    async def run(self, run: Run) -> dict[str, Any]:
        """How many projects were looked at."""
        return {"projects": await run.step("settle", self._settle)}

    async def _settle(self) -> int:
        accounts = S3Accounts(self.objects.database)
        done, after = 0, ""
        while some := await accounts.projects(after, AT_ONCE):
            for project_id in some:
                await accounts.current(project_id, self.objects.now_us())
            done, after = done + len(some), some[-1]
        return done
