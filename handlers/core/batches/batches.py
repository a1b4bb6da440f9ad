"""What clients do with batches: make them, look at them, cancel them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from handlers.core.batches.work import KIND
from handlers.core.call import Call
from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.jobs import Job
from storage.repositories.batches import Batch, Batches, End, Item
from storage.tables.types import instant

PURPOSE = "batch"
ROWS_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class NewBatch:
    """`endpoint` as the client wrote it."""

    input_file_id: str
    endpoint: str
    window_seconds: int
    told: dict[str, Any] | None = None


async def create(new: NewBatch, call: Call) -> Batch:
    """Raises `NotFound` for the input file and `Invalid` for one of another purpose."""
    services, who = call.services, call.caller
    file = await services.files.get(who.project_id, new.input_file_id)
    if file.purpose != PURPOSE:
        message = f"the file {file.id} has the purpose {file.purpose}, and not {PURPOSE}"
        raise Invalid(message, code="invalid_file_purpose", param="input_file_id")
    now = services.clock()
    batch = Batch(
        id=services.new_id("batch"),
        project_id=who.project_id,
        project=who.project,
        endpoint=new.endpoint,
        input_file_id=file.id,
        blob_key=file.blob_key,
        window_seconds=new.window_seconds,
        created_at=instant(now),
        deadline_at=instant(now + new.window_seconds),
        key_id=who.key_id,
        models=None if who.models is None else sorted(who.models),
        told=new.told,
    )
    async with _batches(call).database.writing() as tx:
        await _batches(call).insert(tx, batch)
        await services.jobs.enqueue(KIND, None, who.project_id, job_id=batch.id, tx=tx)
    services.jobs.wanted.ring()
    return batch


async def get(batch_id: str, call: Call) -> Batch:
    """Raises `NotFound`."""
    found = await _batches(call).get(call.caller.project_id, batch_id)
    if found is None:
        raise NotFound(f"there is no batch {batch_id}", code="batch_not_found")
    return await _settled(found, call)


async def list_batches(after: str | None, limit: int, call: Call) -> tuple[list[Batch], bool]:
    """Newest first, and whether there are more. Raises `NotFound` for an `after` that never was."""
    if after is not None:
        await get(after, call)
    found = await _batches(call).list(call.caller.project_id, after, limit + 1)
    return [await _settled(batch, call) for batch in found[:limit]], len(found) > limit


async def rows_of(batch: Batch, call: Call) -> Sequence[Item]:
    """The first `ROWS_SHOWN`."""
    return await _batches(call).items(batch.id, limit=ROWS_SHOWN)


async def cancel(batch_id: str, call: Call) -> Batch:
    """What is answered stays, what is being answered is finished. Raises `NotFound`, and `Conflict` for a batch that
    has ended otherwise or is about to."""
    batch = await get(batch_id, call)
    now = instant(call.services.clock())
    if await _batches(call).move(batch, ("validating", "in_progress"), "cancelling", cancel_requested_at=now):
        call.services.jobs.tell(batch_id)
    elif batch.cancel_requested_at is None:
        batch = await get(batch_id, call)
        raise Conflict(f"the batch is {batch.status} and cannot be cancelled", code="batch_not_cancellable")
    return await get(batch_id, call)


async def _settled(batch: Batch, call: Call) -> Batch:
    """A batch ends also when the job that should have ended it could not."""
    if batch.is_final:
        return batch
    try:
        job = await call.services.jobs.get(batch.project_id, batch.id)
    except NotFound:
        job = None
    if job is not None and not job.is_final:
        return batch
    await _batches(call).end(batch, End("failed", instant(call.services.clock()), faults=[_reason(job)]))
    return await _batches(call).get(batch.project_id, batch.id) or replace(batch, status="failed")


def _reason(job: Job | None) -> dict[str, Any]:
    if job is None or job.state != "failed":
        return {"code": "job_stopped", "message": "the batch was stopped by the operator", "param": None, "line": None}
    return {"code": job.error_code, "message": job.error_message, "param": None, "line": None}


def _batches(call: Call) -> Batches:
    return Batches(call.services.jobs.database)
