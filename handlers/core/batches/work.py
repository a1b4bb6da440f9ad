"""The job that works a batch off: the whole input is judged, then its rows are answered, then the files are made."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from handlers.core.batches import lines, results
from handlers.core.batches.answering import Answering, Place
from handlers.core.batches.desk import Desk
from handlers.core.jobs import Definition, Run
from storage.errors import StorageUnavailable
from storage.repositories.batches import Batch, Batches, End, Status
from storage.tables.types import instant

KIND = "batch"
VALIDATING: tuple[Status] = ("validating",)
CANCELLING: tuple[Status] = ("cancelling",)
DAY_SECONDS = 86_400
ROWS_KEPT_SECONDS = 30 * DAY_SECONDS
"""The files stay until the project deletes them."""
PURGED_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a batch may ask for. `urls` are the ways to write it in a row."""

    operation_id: str
    urls: frozenset[str]


@dataclass(frozen=True, slots=True)
class BatchWork:
    """`endpoints` are by the name that clients use."""

    desk: Desk
    endpoints: Mapping[str, Endpoint]

    @property
    def definition(self) -> Definition:
        """A database that is away for minutes does not end a batch."""
        return Definition(KIND, self.run, tries=12)

    @property
    def cleaning(self) -> Definition:
        return Definition("batch_cleaning", clean, cron="37 * * * *")

    async def run(self, run: Run) -> str:
        """The batch's last status. Where it stands is in the database, so that every step may be done again."""
        await run.step("judge", lambda: self._judge(run))
        await run.step("answer", lambda: self._answer(run))
        status: str = await run.step("finish", lambda: finish(run))
        return status

    async def _judge(self, run: Run) -> None:
        batch, batches = await _batch(run), _batches(run)
        if batch.is_final:
            return
        judge = lines.Judge(self.endpoints[batch.endpoint].urls)
        pieces = await run.services.files.blobs.get(batch.blob_key)
        if pieces is None:
            raise StorageUnavailable(f"the input of {batch.id} is gone")
        async for group in lines.split(pieces):
            items = await asyncio.to_thread(judge.take, group)
            if items and not judge.faults:
                await batches.add(batch, items)
        judge.finish()
        now = _now(run)
        if judge.faults:
            await batches.end(batch, End("failed", now, faults=judge.faults))
        elif not await batches.move(batch, VALIDATING, "in_progress", total=judge.rows, started_at=now):
            await batches.move(batch, CANCELLING, "cancelling", total=judge.rows)

    async def _answer(self, run: Run) -> None:
        batch = await _batch(run)
        if not batch.is_final:
            endpoint = self.endpoints[batch.endpoint]
            place = Place(batch, endpoint.operation_id, endpoint.urls)
            await Answering(place, self.desk, run.services, run.progress).run()


async def finish(run: Run) -> Status:
    batch, batches = await _batch(run), _batches(run)
    if batch.is_final:
        return batch.status
    status: Status = "completed" if batch.completed + batch.failed >= batch.total else "expired"
    if not await batches.move(batch, ("in_progress", "finalizing"), "finalizing"):
        status = "cancelled"
    await batches.cancel_rest(batch, _now(run))
    output = await results.write(batch, status, "output", run.services)
    errors = await results.write(batch, status, "error", run.services)
    await batches.end(batch, End(status, _now(run), output, errors))
    return status


async def clean(run: Run) -> int:
    """Forgets the rows of old batches; answers how many."""
    before = instant(run.services.clock() - ROWS_KEPT_SECONDS)

    async def purge() -> int:
        total = 0
        while gone := await _batches(run).purge_items(before, PURGED_AT_ONCE):
            total += gone
        return total

    purged: int = await run.step("purge", purge)
    return purged


async def _batch(run: Run) -> Batch:
    found = await _batches(run).get(run.project_id, run.job.id)
    if found is None:
        raise ValueError(f"there is no batch {run.job.id}")
    return found


def _batches(run: Run) -> Batches:
    return Batches(run.services.jobs.database)


def _now(run: Run) -> datetime:
    return instant(run.services.clock())
