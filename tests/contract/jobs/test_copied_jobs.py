"""Jobs that had not ended when their database was copied."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sqlalchemy import update

from handlers.core.jobs import Jobs, Run
from storage.copying.copying import copy, load_into, snapshot_of
from storage.database import Database
from storage.migrations import HEAD
from storage.tables.jobs import JobRow
from storage.tables.types import core
from tests.contract.jobs.conftest import Bench, Looks, defined

JOBS = core(JobRow)


async def test_they_begin_again_in_the_copy(bench: Bench, tmp_path: Path) -> None:
    begun: list[str] = []

    @defined("note")
    async def note(run: Run) -> Any:
        async def step() -> str:
            begun.append(run.job.id)
            return run.job.id

        return await run.step("note", step)

    queued, running = await bench.enqueue("note"), await bench.enqueue("note")
    async with bench.jobs.database.writing() as tx:
        values = {"state": "running", "process_id": "proc_of_the_source"}
        await tx.execute(update(JOBS).where(JOBS.c.id == running.id).values(values))
    target = Database.open(f"sqlite:///{tmp_path}/copy.db", is_made=False)
    async with snapshot_of(bench.jobs.database) as source, load_into(target, HEAD) as load:
        await copy(source, load)
    looks = Looks()
    copied = Bench(Jobs(target, time.time, str, looks), bench.project_id, looks)
    async with copied.worker(note):
        ended = [await copied.ended(job) for job in (queued, running)]
    assert [(job.state, job.result) for job in ended] == [("succeeded", queued.id), ("succeeded", running.id)]
    assert sorted(begun) == sorted([queued.id, running.id])
    await target.close()
