"""The files that a batch leaves behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Literal

from handlers.core.batches import lines
from handlers.core.files import FilePage, NewFile
from handlers.core.services import Services
from storage.repositories.batches import Batch, Batches, ItemStatus, Status

Kind = Literal["output", "error"]
ROWS_OF: Mapping[Kind, tuple[ItemStatus, ...]] = {"output": ("completed",), "error": ("failed", "cancelled")}
REASONS: Mapping[Status, tuple[str, str]] = {
    "expired": ("batch_expired", "the batch's completion window was over before the row was answered"),
    "cancelled": ("batch_cancelled", "the batch was cancelled before the row was answered"),
}
AT_ONCE = 500
LOOKED_BACK = 100


async def write(batch: Batch, status: Status, kind: Kind, services: Services) -> str | None:
    """The file's id; None when no row belongs into it. `status` is how the batch ends."""
    batches, files = Batches(services.jobs.database), services.files
    if not await batches.items(batch.id, limit=1, statuses=ROWS_OF[kind]):
        return None
    new = NewFile(f"{batch.id}_{kind}.jsonl", f"batch_{kind}", "application/jsonl")
    made = await _made_before(batch, new, services)
    return made or (await files.create(batch.project_id, _lines(batch, status, kind, batches), new)).id


async def _made_before(batch: Batch, new: NewFile, services: Services) -> str | None:
    """By a process that died before it could say so."""
    page = FilePage(limit=LOOKED_BACK, purpose=new.purpose)
    found, _ = await services.files.list(batch.project_id, page)
    return next((file.id for file in found if file.filename == new.filename), None)


async def _lines(batch: Batch, status: Status, kind: Kind, batches: Batches) -> AsyncIterator[bytes]:
    after = -1
    while items := await batches.items(batch.id, after, AT_ONCE, ROWS_OF[kind]):
        after = items[-1].number
        yield "".join(
            (item.line or lines.unanswered(batch.id, item, *REASONS.get(status, ("", "")))) + "\n" for item in items
        ).encode()
