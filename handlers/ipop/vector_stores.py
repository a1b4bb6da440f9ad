from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from codegen.generated.ipop.routes import (
    VectorStoreFilesCreateBody,
    VectorStoreFilesCreateParams,
    VectorStoreFilesDeleteParams,
    VectorStoreFilesGetParams,
    VectorStoreFilesListParams,
    VectorStoresCreateBody,
    VectorStoresDeleteParams,
    VectorStoresGetParams,
    VectorStoresListParams,
    VectorStoresReindexParams,
    VectorStoresSearchBody,
    VectorStoresSearchParams,
    VectorStoresUpdateBody,
    VectorStoresUpdateParams,
)
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.retrieval import files, stores
from handlers.core.retrieval.files import NewStoreFile, StoreFile
from handlers.core.retrieval.searching import Hit, search_store
from handlers.core.retrieval.stores import UNCHANGED, Changes, NewStore, VectorStore
from handlers.wire import vector_stores as wire

_DEFAULT_MODEL = "terminaili/embed-balanced"
"""What the document calls the model of stores whose maker names none, which here is the embedded one."""
_MODE = "hybrid"


async def vector_stores_create(body: VectorStoresCreateBody, call: Call) -> dict[str, Any]:
    data = body.data
    model = data.get("embedding_model")
    new = NewStore(
        name=data["name"],
        embedding_model=None if model == _DEFAULT_MODEL else model,
        details=data.get("metadata") or {},
        expires_at=_time(data.get("expires_at")),
    )
    return await _render(await stores.create_store(new, call), call)


async def vector_stores_list(params: VectorStoresListParams, call: Call) -> dict[str, Any]:
    found, has_more = await stores.list_stores(wire.page(params.limit, params.after), call)
    counts = await stores.count_files(found, call)
    return {
        "object": "list",
        "data": [_store(store, counts[store.id], call) for store in found],
        "has_more": has_more,
        **wire.ends([store.id for store in found]),
    }


async def vector_stores_get(params: VectorStoresGetParams, call: Call) -> dict[str, Any]:
    return await _render(await stores.get_store(params.vector_store_id, call), call)


async def vector_stores_update(
    params: VectorStoresUpdateParams, body: VectorStoresUpdateBody, call: Call
) -> dict[str, Any]:
    """`expires_at` null clears it; left out, it stays."""
    data = body.data
    changes = Changes(
        name=data.get("name", UNCHANGED),
        details=data.get("metadata", UNCHANGED),
        expires_at=_time(data["expires_at"]) if "expires_at" in data else UNCHANGED,
    )
    return await _render(await stores.change_store(params.vector_store_id, changes, call), call)


async def vector_stores_delete(params: VectorStoresDeleteParams, call: Call) -> dict[str, Any]:
    """The store as it was, with the member by which OpenAI's clients see that it is gone."""
    store = await stores.get_store(params.vector_store_id, call)
    shown = await _render(store, call)
    await stores.delete_store(store.id, call)
    return {**shown, "deleted_at": _now(call), "deleted": True, "object": "vector_store.deleted"}


async def vector_stores_reindex(params: VectorStoresReindexParams, call: Call) -> dict[str, Any]:
    store = await stores.get_store(params.vector_store_id, call)
    await files.reindex_store(store, call)
    return await _render(store, call)


async def vector_stores_search(
    params: VectorStoresSearchParams, body: VectorStoresSearchBody, call: Call
) -> dict[str, Any]:
    """Takes OpenAI's other members, too, where they are sent."""
    hits = await search_store(params.vector_store_id, wire.read_search(body.data, _MODE), call)
    return {
        "object": "vector_store.search_results.page",
        "search_query": "\n".join(hits.texts),
        "data": [_hit(hit) for hit in hits.found],
        "has_more": hits.has_more,
        "next_page": None,
    }


async def vector_store_files_create(
    params: VectorStoreFilesCreateParams, body: VectorStoreFilesCreateBody, call: Call
) -> dict[str, Any]:
    store, data = await stores.get_store(params.vector_store_id, call), body.data
    strategy = wire.read_strategy(data.get("chunking_strategy"))
    new = NewStoreFile(data["file_id"], data.get("attributes") or {}, strategy)
    return _file((await files.attach_files(store, [new], call))[0])


async def vector_store_files_list(params: VectorStoreFilesListParams, call: Call) -> dict[str, Any]:
    store = await stores.get_store(params.vector_store_id, call)
    found, has_more = await files.list_files(store, wire.page(params.limit, params.after), call)
    ends = wire.ends([file.id for file in found])
    return {"object": "list", "data": [_file(file) for file in found], "has_more": has_more, **ends}


async def vector_store_files_get(params: VectorStoreFilesGetParams, call: Call) -> dict[str, Any]:
    _, file = await files.store_and_file(params.vector_store_id, params.file_id, call)
    return _file(file)


async def vector_store_files_delete(params: VectorStoreFilesDeleteParams, call: Call) -> None:
    store = await stores.get_store(params.vector_store_id, call)
    await files.detach_file(store, params.file_id, call)


async def _render(store: VectorStore, call: Call) -> dict[str, Any]:
    return _store(store, (await stores.count_files([store], call))[store.id], call)


def _store(store: VectorStore, counts: Mapping[str, int], call: Call) -> dict[str, Any]:
    """Beside the document's members those that OpenAI's clients look for."""
    statuses = {status: counts.get(status, 0) for status in wire.STATUSES}
    return {
        "id": store.id,
        "object": "vector_store",
        "owner_user_id": store.project_id,
        "project_id": call.caller.project,
        "name": store.name,
        "status": "in_progress" if statuses["in_progress"] else "completed",
        "embedding_model": store.embedding_model,
        "file_count": sum(statuses.values()),
        "file_counts": {**statuses, "total": sum(statuses.values())},
        "usage_bytes": store.usage_bytes,
        "metadata": store.details,
        "created_at": store.created_at.isoformat(),
        "updated_at": store.updated_at.isoformat(),
        "last_active_at": store.active_at.isoformat(),
        "expires_at": store.expires_at.isoformat() if store.expires_at else None,
        "deleted_at": None,
    }


def _file(file: StoreFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "vector_store.file",
        "vector_store_id": file.store_id,
        "file_id": file.file_id,
        "filename": file.filename,
        "status": file.status,
        "chunk_count": file.chunks,
        "bytes": file.size_bytes,
        "usage_bytes": file.usage_bytes,
        "attributes": file.attributes,
        "chunking_strategy": wire.render_strategy(file.strategy),
        "attached_at": file.created_at.isoformat(),
        "indexed_at": file.indexed_at.isoformat() if file.indexed_at else None,
        "last_error": None if file.error_code is None else f"{file.error_code}: {file.error_message}",
    }


def _hit(hit: Hit) -> dict[str, Any]:
    """With the place in the document, as far as it has one."""
    chunk = hit.chunk
    return {
        "file_id": hit.file.file_id if hit.file else "",
        "filename": hit.file.filename if hit.file else None,
        "attributes": wire.scalars(hit.file.attributes) if hit.file else {},
        "score": hit.score,
        "chunk_id": f"chunk-{chunk.no}",
        "content": [{"type": "text", "text": chunk.text}],
        "citation": {
            "start": chunk.start,
            "stop": chunk.stop,
            "page": chunk.page,
            "slide": chunk.slide,
            "sheet": chunk.sheet,
        },
    }


def _time(written: str | None) -> datetime | None:
    """A time without a zone is UTC's. Raises `Invalid`."""
    if written is None:
        return None
    try:
        read = datetime.fromisoformat(written)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("expires_at must be a time (RFC 3339)", param="expires_at") from None


def _now(call: Call) -> str:
    return datetime.fromtimestamp(call.services.clock(), UTC).isoformat()
