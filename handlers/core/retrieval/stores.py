"""Stores: made, looked at, changed, and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from handlers.core.call import Call
from handlers.core.errors import Conflict, Forbidden, Invalid, NotFound
from handlers.core.models import find_model, may_use
from handlers.core.retrieval.clearing import DROPPING
from storage.errors import StorageConflict
from storage.repositories.vector_stores import Page, VectorStore
from storage.tables.types import instant

__all__ = [
    "UNCHANGED",
    "Changes",
    "NewStore",
    "Page",
    "VectorStore",
    "change_store",
    "count_files",
    "create_store",
    "delete_store",
    "get_store",
    "list_stores",
    "missing",
    "touch_store",
]

DEFAULT_MODEL = "local/all-minilm-l6-v2"
"""The embedded one, which is there without any key."""
MAX_NAME_LENGTH = 512
MAX_LASTING_SECONDS = 100 * 366 * 86_400
TOUCH = timedelta(seconds=60)
"""How exact the time of a store's last use is."""


class Unchanged:
    """What a change leaves as it is."""


UNCHANGED: Final = Unchanged()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStore:
    """`id` None is one of ours; `lasting_seconds` from its last use on, and `expires_at`, None are for ever."""

    name: str = ""
    id: str | None = None
    embedding_model: str | None = None
    dimensions: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    lasting_seconds: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    name: str | Unchanged = UNCHANGED
    details: Mapping[str, Any] | Unchanged = UNCHANGED
    lasting_seconds: int | Unchanged | None = UNCHANGED
    expires_at: datetime | Unchanged | None = UNCHANGED


async def create_store(new: NewStore, call: Call) -> VectorStore:
    """Raises `NotFound`, `Forbidden` or `Invalid` for the model, `Conflict` for an id that is taken, and `Invalid`."""
    _check(new.name, new.lasting_seconds)
    model, dimensions = await _find_embedder(new, call)
    services, retrieval = call.services, call.services.retrieval
    now = instant(services.clock())
    store = VectorStore(
        project_id=call.caller.project_id,
        id=services.new_id("vs") if new.id is None else new.id,
        collection_no=0,
        created_at=now,
        updated_at=now,
        active_at=now,
        name=new.name,
        embedding_model=model,
        dimensions=dimensions,
        details=dict(new.details),
        lasting_seconds=new.lasting_seconds,
        expires_at=_end(new.expires_at, new.lasting_seconds, now),
    )
    try:
        async with retrieval.index.database.writing() as tx:
            number = await retrieval.index.create(tx, store.project_id, dimensions)
            store = replace(store, collection_no=number)
            await retrieval.stores.forget(tx, store.project_id, store.id)
            await retrieval.stores.insert(tx, store)
    except StorageConflict:
        raise Conflict(f"there is a vector store {store.id}", code="vector_store_exists") from None
    return store


async def get_store(store_id: str, call: Call) -> VectorStore:
    found = await call.services.retrieval.stores.get(call.caller.project_id, store_id, _now(call))
    if found is None:
        raise missing(store_id)
    return found


async def list_stores(page: Page, call: Call) -> tuple[Sequence[VectorStore], bool]:
    """And whether there is more. Raises `NotFound` for a cursor that never was."""
    found = await call.services.retrieval.stores.list(call.caller.project_id, page, _now(call))
    if found is None:
        raise missing(page.after or page.before or "")
    return found


async def count_files(stores: Sequence[VectorStore], call: Call) -> Mapping[str, Mapping[str, int]]:
    """By store, how many files there are in each status."""
    return await call.services.retrieval.files.counts(call.caller.project_id, [store.id for store in stores])


async def change_store(store_id: str, changes: Changes, call: Call) -> VectorStore:
    store = await get_store(store_id, call)
    given = {name: getattr(changes, name) for name in Changes.__slots__}
    values = {name: value for name, value in given.items() if not isinstance(value, Unchanged)}
    _check(values.get("name", ""), values.get("lasting_seconds"))
    now = _now(call)
    if "lasting_seconds" in values:
        values["expires_at"] = _end(None, values["lasting_seconds"], now)
    elif "expires_at" in values:
        values["lasting_seconds"] = None
    return await _keep(store, {**values, "updated_at": now, "active_at": now}, call)


async def touch_store(store: VectorStore, call: Call) -> None:
    """It is used: one that lasts from its last use on lasts longer."""
    now = _now(call)
    if now - store.active_at >= TOUCH:
        values: dict[str, Any] = {"active_at": now}
        if store.lasting_seconds is not None:
            values["expires_at"] = _end(None, store.lasting_seconds, now)
        await _keep(store, values, call)


async def delete_store(store_id: str, call: Call) -> VectorStore:
    """What was in it is cleared away by and by; the files themselves stay."""
    store = await get_store(store_id, call)
    retrieval, services = call.services.retrieval, call.services
    async with retrieval.index.database.writing() as tx:
        if not await retrieval.stores.end(tx, store.project_id, store.id, _now(call)):
            raise missing(store_id)
        await services.jobs.enqueue(DROPPING, {"collection_no": store.collection_no}, store.project_id, tx=tx)
    services.jobs.wanted.ring()
    return store


def missing(store_id: str) -> NotFound:
    return NotFound(f"there is no vector store {store_id}", code="vector_store_not_found")


async def _find_embedder(new: NewStore, call: Call) -> tuple[str, int]:
    """The model's id, and how many dimensions its vectors have."""
    name = new.embedding_model or DEFAULT_MODEL
    offer = await find_model(name, call)
    if offer is None:
        raise NotFound(f"there is no model {name}", code="model_not_found", param="embedding_model")
    if not may_use(offer.model.id, call):
        raise Forbidden(f"this key may not use {name}", code="model_not_allowed", param="embedding_model")
    if "embeddings" not in offer.model.capabilities:
        message = f"{name} does not make embeddings"
        raise Invalid(message, code="model_does_not_support_embeddings", param="embedding_model")
    known = offer.model.embedding_dimensions
    dimensions = new.dimensions or known
    if dimensions is None:
        raise Invalid(f"embedding_dimension is needed: {name} does not tell", param="embedding_dimension")
    if dimensions < 1 or (known is not None and dimensions > known):
        message = f"{name} makes vectors of {known} dimensions"
        raise Invalid(message, code="dimensions_not_supported", param="embedding_dimension")
    if dimensions != known and offer.model.id == DEFAULT_MODEL:
        message = f"{name} makes vectors of {known} dimensions and no others"
        raise Invalid(message, code="dimensions_not_supported", param="embedding_dimension")
    return offer.model.id, dimensions


async def _keep(store: VectorStore, values: dict[str, Any], call: Call) -> VectorStore:
    retrieval = call.services.retrieval
    async with retrieval.index.database.writing() as tx:
        await retrieval.stores.update(tx, store.project_id, store.id, values)
    return replace(store, **values)


def _check(name: str, lasting_seconds: int | None) -> None:
    if len(name) > MAX_NAME_LENGTH or "\0" in name:
        raise Invalid(f"name must have {MAX_NAME_LENGTH} characters at most, and no NUL", param="name")
    if lasting_seconds is not None and not 0 < lasting_seconds <= MAX_LASTING_SECONDS:
        raise Invalid("expires_after is out of bounds", param="expires_after")


def _end(at: datetime | None, lasting_seconds: int | None, now: datetime) -> datetime | None:
    return at if lasting_seconds is None else now + timedelta(seconds=lasting_seconds)


def _now(call: Call) -> datetime:
    return instant(call.services.clock())
