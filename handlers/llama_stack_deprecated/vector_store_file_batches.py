from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    VectorStoreFileBatchesCancelParams,
    VectorStoreFileBatchesCreateBody,
    VectorStoreFileBatchesCreateParams,
    VectorStoreFileBatchesFilesListParams,
    VectorStoreFileBatchesGetParams,
)
from handlers.core.call import Call
from handlers.core.retrieval import batches, files
from handlers.core.retrieval.batches import StoreBatch
from handlers.core.retrieval.files import NewStoreFile
from handlers.core.retrieval.stores import get_store
from handlers.llama_stack_deprecated.vector_store_files import render_page
from handlers.wire import vector_stores as wire


async def vector_store_file_batches_create(
    params: VectorStoreFileBatchesCreateParams, body: VectorStoreFileBatchesCreateBody, call: Call
) -> dict[str, Any]:
    store, data = await get_store(params.vector_store_id, call), body.data
    strategy, attributes = wire.read_strategy(data.get("chunking_strategy")), data.get("attributes") or {}
    news = [NewStoreFile(file_id, attributes, strategy) for file_id in data["file_ids"]]
    return await _render(await batches.create_batch(store, news, call), call)


async def vector_store_file_batches_get(params: VectorStoreFileBatchesGetParams, call: Call) -> dict[str, Any]:
    store = await get_store(params.vector_store_id, call)
    return await _render(await batches.get_batch(store, params.batch_id, call), call)


async def vector_store_file_batches_cancel(params: VectorStoreFileBatchesCancelParams, call: Call) -> dict[str, Any]:
    store = await get_store(params.vector_store_id, call)
    return await _render(await batches.cancel_batch(store, params.batch_id, call), call)


async def vector_store_file_batches_files_list(
    params: VectorStoreFileBatchesFilesListParams, call: Call
) -> dict[str, Any]:
    store = await get_store(params.vector_store_id, call)
    batch = await batches.get_batch(store, params.batch_id, call)
    page = wire.page(params.limit, params.after, params.before, params.order)
    status = wire.read_status(params.filter)
    found, has_more = await files.list_files(store, page, call, status=status, batch_id=batch.id)
    return render_page(found, has_more)


async def _render(batch: StoreBatch, call: Call) -> dict[str, Any]:
    """It is in progress as long as any of its files is."""
    counts = await batches.count_batch(batch, call)
    statuses = {status: counts.get(status, 0) for status in wire.STATUSES}
    if statuses["in_progress"]:
        status = "in_progress"
    elif batch.is_cancelled:
        status = "cancelled"
    else:
        status = "failed" if statuses["failed"] and not statuses["completed"] else "completed"
    return {
        "id": batch.id,
        "object": "vector_store.file_batch",
        "created_at": int(batch.created_at.timestamp()),
        "vector_store_id": batch.store_id,
        "status": status,
        "file_counts": {**statuses, "total": sum(statuses.values())},
    }
