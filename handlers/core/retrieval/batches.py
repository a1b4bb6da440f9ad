"""Files that are put into a store together, and looked at, and called off, together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handlers.core.call import Call
from handlers.core.errors import NotFound
from handlers.core.retrieval.files import NewStoreFile, attach_files, cancel_file, list_files
from storage.repositories.vector_stores import Page, StoreBatch, VectorStore
from storage.tables.types import instant

__all__ = ["StoreBatch", "cancel_batch", "count_batch", "create_batch", "get_batch"]


async def create_batch(store: VectorStore, news: Sequence[NewStoreFile], call: Call) -> StoreBatch:
    batch_id = call.services.new_id("vsfb")
    batch = StoreBatch(batch_id, store.project_id, store.id, instant(call.services.clock()))
    await attach_files(store, news, call, batch.id)
    async with call.services.retrieval.index.database.writing() as tx:
        await call.services.retrieval.batches.insert(tx, batch)
    return batch


async def get_batch(store: VectorStore, batch_id: str, call: Call) -> StoreBatch:
    found = await call.services.retrieval.batches.get(store.project_id, store.id, batch_id)
    if found is None:
        raise NotFound(f"the vector store has no batch {batch_id}", code="vector_store_batch_not_found")
    return found


async def count_batch(batch: StoreBatch, call: Call) -> Mapping[str, int]:
    """How many of its files are in each status."""
    return await call.services.retrieval.files.batch_counts(batch.project_id, batch.id)


async def cancel_batch(store: VectorStore, batch_id: str, call: Call) -> StoreBatch:
    """Files that are done stay; what is in progress is called off."""
    batch, retrieval = await get_batch(store, batch_id, call), call.services.retrieval
    while True:
        files, has_more = await list_files(store, Page(limit=100), call, status="in_progress", batch_id=batch.id)
        async with retrieval.index.database.writing() as tx:
            await retrieval.batches.cancel(tx, batch)
            for file in files:
                await cancel_file(tx, file, call)
        for file in files:
            if file.job_id is not None:
                await call.services.jobs.cancel(store.project_id, file.job_id)
        if not has_more:
            return await get_batch(store, batch_id, call)
