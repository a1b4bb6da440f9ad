from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    VectorStoresCreateBody,
    VectorStoresDeleteParams,
    VectorStoresGetParams,
    VectorStoresListParams,
    VectorStoresSearchBody,
    VectorStoresSearchParams,
    VectorStoresUpdateBody,
    VectorStoresUpdateParams,
)
from handlers.core.call import Call
from handlers.core.retrieval import stores
from handlers.core.retrieval.files import NewStoreFile, attach_files
from handlers.core.retrieval.searching import Hit, search_store
from handlers.core.retrieval.stores import UNCHANGED, Changes, NewStore, VectorStore
from handlers.wire import vector_stores as wire

_MODE = "vector"


async def vector_stores_create(body: VectorStoresCreateBody, call: Call) -> dict[str, Any]:
    """`provider_id` names one of Llama Stack's own databases: there is one of ours, whatever it says."""
    data = body.data
    strategy = wire.read_strategy(data.get("chunking_strategy"))
    file_ids = list(dict.fromkeys(data.get("file_ids") or []))
    for file_id in file_ids:  # none of them missing, before there is a store
        await call.services.files.get(call.caller.project_id, file_id)
    new = NewStore(
        name=data.get("name") or "",
        embedding_model=data.get("embedding_model"),
        dimensions=data.get("embedding_dimension"),
        details=data.get("metadata") or {},
        lasting_seconds=wire.read_lasting(data.get("expires_after")),
    )
    store = await stores.create_store(new, call)
    if file_ids:
        await attach_files(store, [NewStoreFile(file_id, strategy=strategy) for file_id in file_ids], call)
    return await _render(store, call)


async def vector_stores_list(params: VectorStoresListParams, call: Call) -> dict[str, Any]:
    page = wire.page(params.limit, params.after, params.before, params.order)
    found, has_more = await stores.list_stores(page, call)
    counts = await stores.count_files(found, call)
    return {
        "object": "list",
        "data": [_store(store, counts[store.id]) for store in found],
        "has_more": has_more,
        **wire.ends([store.id for store in found]),
    }


async def vector_stores_get(params: VectorStoresGetParams, call: Call) -> dict[str, Any]:
    return await _render(await stores.get_store(params.vector_store_id, call), call)


async def vector_stores_update(
    params: VectorStoresUpdateParams, body: VectorStoresUpdateBody, call: Call
) -> dict[str, Any]:
    """What is null or left out stays."""
    data = {name: value for name, value in body.data.items() if value is not None}
    changes = Changes(
        name=data.get("name", UNCHANGED),
        details=data.get("metadata", UNCHANGED),
        lasting_seconds=wire.read_lasting(data["expires_after"]) if "expires_after" in data else UNCHANGED,
    )
    return await _render(await stores.change_store(params.vector_store_id, changes, call), call)


async def vector_stores_delete(params: VectorStoresDeleteParams, call: Call) -> dict[str, Any]:
    store = await stores.delete_store(params.vector_store_id, call)
    return {"id": store.id, "object": "vector_store.deleted", "deleted": True}


async def vector_stores_search(
    params: VectorStoresSearchParams, body: VectorStoresSearchBody, call: Call
) -> dict[str, Any]:
    hits = await search_store(params.vector_store_id, wire.read_search(body.data, _MODE), call)
    return {
        "object": "vector_store.search_results.page",
        "search_query": "\n".join(hits.texts),
        "data": [_hit(hit) for hit in hits.found],
        "has_more": hits.has_more,
    }


async def _render(store: VectorStore, call: Call) -> dict[str, Any]:
    return _store(store, (await stores.count_files([store], call))[store.id])


def _store(store: VectorStore, counts: Mapping[str, int]) -> dict[str, Any]:
    statuses = {status: counts.get(status, 0) for status in wire.STATUSES}
    shown = {
        "id": store.id,
        "object": "vector_store",
        "created_at": int(store.created_at.timestamp()),
        "name": store.name,
        "usage_bytes": store.usage_bytes,
        "file_counts": {**statuses, "total": sum(statuses.values())},
        "status": "in_progress" if statuses["in_progress"] else "completed",
        "last_active_at": int(store.active_at.timestamp()),
        "metadata": store.details,
    }
    if store.lasting_seconds is not None:
        shown["expires_after"] = wire.render_lasting(store.lasting_seconds)
    if store.expires_at is not None:
        shown["expires_at"] = int(store.expires_at.timestamp())
    return shown


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "file_id": hit.file.file_id if hit.file else "",
        "filename": hit.file.filename if hit.file else "",
        "score": hit.score,
        "attributes": wire.scalars(hit.file.attributes) if hit.file else {},
        "content": [{"type": "text", "text": hit.chunk.text}],
    }
