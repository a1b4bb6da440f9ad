"""Vector stores under the names that this API has for them. A provider is kept as it was asked for: one core serves
them all."""

from __future__ import annotations

from typing import Any

from codegen.generated.llama_stack.routes import VectorDbsGetParams, VectorDbsRegisterBody, VectorDbsUnregisterParams
from handlers.core.call import Call
from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.models import find_model
from handlers.core.retrieval.stores import (
    NewStore,
    Page,
    VectorStore,
    create_store,
    delete_store,
    get_store,
    list_stores,
)

PROVIDER = "concordat"
DIMENSIONS = 384
"""Of a model that does not tell."""
LONGEST_NAME = 512
MOST_DIMENSIONS = 16_384


async def vector_dbs_list(call: Call) -> dict[str, Any]:
    """All of them: the API has no pages."""
    page, data, has_more = Page(limit=1000, newest_first=False), list[dict[str, Any]](), True
    while has_more:
        stores, has_more = await list_stores(page, call)
        data += [_render(store) for store in stores]
        page = Page(limit=1000, newest_first=False, after=stores[-1].id) if stores else page
    return {"data": data}


async def vector_dbs_get(params: VectorDbsGetParams, call: Call) -> dict[str, Any] | None:
    """None, as the document allows, for one that is not there."""
    try:
        return _render(await get_store(params.vector_db_id, call))
    except NotFound:
        return None


async def vector_dbs_register(body: VectorDbsRegisterBody, call: Call) -> dict[str, Any]:
    """What is registered again as it is, is there; with anything else, that is the client's mistake."""
    data: dict[str, Any] = body.data
    details = {name: data[name] for name in ("provider_id", "provider_vector_db_id") if data.get(name)}
    for name, text in (("vector_db_id", data["vector_db_id"]), *details.items()):
        if not text or len(text) > LONGEST_NAME or "\0" in text:
            raise Invalid(f"{name} must have between 1 and {LONGEST_NAME} characters, and no NUL", param=name)
    dimensions = data.get("embedding_dimension")
    if dimensions is None:
        offer = await find_model(data["embedding_model"], call)
        dimensions = (offer and offer.model.embedding_dimensions) or DIMENSIONS
    if not 0 < dimensions <= MOST_DIMENSIONS:
        message = f"embedding_dimension must be between 1 and {MOST_DIMENSIONS}"
        raise Invalid(message, param="embedding_dimension")
    new = NewStore(
        name=data["vector_db_id"],
        id=data["vector_db_id"],
        embedding_model=data["embedding_model"],
        dimensions=dimensions,
        details=details,
    )
    try:
        return _render(await create_store(new, call))
    except Conflict:
        return _render(await _same(new, call))


async def vector_dbs_unregister(params: VectorDbsUnregisterParams, call: Call) -> None:
    await delete_store(params.vector_db_id, call)


async def _same(new: NewStore, call: Call) -> VectorStore:
    store = await get_store(new.name, call)
    offer = await find_model(new.embedding_model or "", call)
    wanted = (offer and offer.model.id, new.dimensions, dict(new.details))
    if (store.embedding_model, store.dimensions, dict(store.details)) != wanted:
        raise Invalid(f"there is another vector database {new.name}", code="vector_db_exists", param="vector_db_id")
    return store


def _render(store: VectorStore) -> dict[str, Any]:
    return {
        "identifier": store.id,
        "provider_resource_id": str(store.details.get("provider_vector_db_id") or store.id),
        "provider_id": str(store.details.get("provider_id") or PROVIDER),
        "type": "vector_db",
        "embedding_model": store.embedding_model,
        "embedding_dimension": store.dimensions,
    }
