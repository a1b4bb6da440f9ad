"""Files in stores: put in, looked at, described, made anew, and taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from handlers.core.files import File
from handlers.core.retrieval.chunking import Auto, Static
from handlers.core.retrieval.clearing import REMOVAL
from handlers.core.retrieval.stores import get_store, missing
from storage.database import Transaction
from storage.repositories.vector_stores import Page, StoreFile, VectorStore
from storage.search import Chunk
from storage.tables.types import instant

__all__ = [
    "NewStoreFile",
    "StoreFile",
    "attach_files",
    "cancel_file",
    "describe_file",
    "detach_file",
    "discard",
    "get_file",
    "list_files",
    "pack_strategy",
    "read_chunks",
    "reindex_store",
    "store_and_file",
    "unpack_strategy",
]

INDEXING = "vector_store_file"
MOST_FILES = 2000
"""Put in at once."""
MOST_CHUNKS = 10_000
"""Shown of a file."""


@dataclass(frozen=True, slots=True)
class NewStoreFile:
    file_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    strategy: Static | Auto = field(default_factory=Auto)


async def attach_files(
    store: VectorStore, news: Sequence[NewStoreFile], call: Call, batch_id: str | None = None
) -> list[StoreFile]:
    """All of them, or none when one is not there (`NotFound`). They are in progress until a job has ended for each;
    one that is in the store already stays as it is, and is tried anew when it failed."""
    if len(news) > MOST_FILES:
        raise Invalid(f"there may be {MOST_FILES} files at once", param="file_ids")
    wanted = {new.file_id: new for new in news}
    sources = [await call.services.files.get(store.project_id, file_id) for file_id in wanted]
    async with call.services.retrieval.index.database.writing() as tx:
        if (
            await call.services.retrieval.stores.get(store.project_id, store.id, instant(call.services.clock()), tx)
            is None
        ):
            raise missing(store.id)
        files = [await _attach(tx, store, (wanted[source.id], source, batch_id), call) for source in sources]
    call.services.jobs.wanted.ring()
    return files


async def get_file(store: VectorStore, name: str, call: Call) -> StoreFile:
    """`name` is its own id, or the file's."""
    found = await call.services.retrieval.files.get(store.project_id, store.id, name)
    if found is None:
        raise _missing(name)
    return found


async def list_files(
    store: VectorStore, page: Page, call: Call, *, status: str | None = None, batch_id: str | None = None
) -> tuple[Sequence[StoreFile], bool]:
    files = call.services.retrieval.files
    found = await files.list(store.project_id, store.id, page, status=status, batch_id=batch_id)
    if found is None:
        raise _missing(page.after or page.before or "")
    return found


async def describe_file(store: VectorStore, name: str, attributes: Mapping[str, Any], call: Call) -> StoreFile:
    """Replaces its attributes."""
    retrieval = call.services.retrieval
    async with retrieval.index.database.writing() as tx:
        file = await retrieval.files.get(store.project_id, store.id, name, tx)
        if file is None:
            raise _missing(name)
        await retrieval.files.change(tx, file, {"attributes": dict(attributes)})
        for document_no in (file.document_no, file.next_document_no):
            if document_no is not None:
                await retrieval.index.describe(tx, document_no, attributes)
    return await get_file(store, name, call)


async def detach_file(store: VectorStore, name: str, call: Call) -> StoreFile:
    """Its chunks are not found any more; the file itself stays."""
    retrieval = call.services.retrieval
    async with retrieval.index.database.writing() as tx:
        file = await retrieval.files.get(store.project_id, store.id, name, tx)
        if file is None:
            raise _missing(name)
        await retrieval.files.delete(tx, file)
        await retrieval.stores.resize(tx, store.project_id, store.id, -file.usage_bytes)
        for document_no in (file.document_no, file.next_document_no):
            await discard(tx, document_no, file, call)
    call.services.jobs.wanted.ring()
    return file


async def cancel_file(tx: Transaction, file: StoreFile, call: Call) -> bool:
    """False when it has ended. Its job ends by itself when it notices."""
    ended = {"status": "cancelled", "next_document_no": None}
    if not await call.services.retrieval.files.change(tx, file, ended, file.job_id):
        return False
    await discard(tx, file.next_document_no, file, call)
    return True


async def reindex_store(store: VectorStore, call: Call) -> int:
    """Makes every file anew, also those that failed; until one is done, it is found as it was. Answers how many."""
    page, total = Page(limit=100, newest_first=False), 0
    while True:
        files, has_more = await list_files(store, page, call)
        async with call.services.retrieval.index.database.writing() as tx:
            for file in files:
                if file.status != "in_progress":
                    await _begin(tx, store, file, call)
                    total += 1
        call.services.jobs.wanted.ring()
        if not has_more:
            return total
        page = Page(limit=100, newest_first=False, after=files[-1].id)


async def reindex_file(store: VectorStore, name: str, call: Call) -> StoreFile:
    """As `reindex_store`, one file of it; one that is being made stays as it is."""
    retrieval = call.services.retrieval
    async with retrieval.index.database.writing() as tx:
        file = await retrieval.files.get(store.project_id, store.id, name, tx)
        if file is None:
            raise _missing(name)
        if file.status != "in_progress":
            await _begin(tx, store, file, call)
    call.services.jobs.wanted.ring()
    return await get_file(store, name, call)


async def read_chunks(file: StoreFile, call: Call) -> Sequence[Chunk]:
    """Those that are found now, in their order; none of a file that was never indexed."""
    if file.document_no is None:
        return []
    return await call.services.retrieval.index.chunks(file.document_no, limit=MOST_CHUNKS)


async def discard(tx: Transaction, document_no: int | None, file: StoreFile, call: Call) -> None:
    """It is not found from here on, and goes."""
    if document_no is not None:
        await call.services.retrieval.index.retire(tx, document_no)
        await call.services.jobs.enqueue(REMOVAL, {"document_no": document_no}, file.project_id, tx=tx)


async def _attach(
    tx: Transaction, store: VectorStore, new: tuple[NewStoreFile, File, str | None], call: Call
) -> StoreFile:
    wish, source, batch_id = new
    files = call.services.retrieval.files
    known = await files.get(store.project_id, store.id, source.id, tx)
    if known is None:
        known = StoreFile(
            id=call.services.new_id("vsf"),
            project_id=store.project_id,
            store_id=store.id,
            file_id=source.id,
            created_at=instant(call.services.clock()),
            filename=source.filename,
            size_bytes=source.size_bytes,
            attributes=dict(wish.attributes),
            strategy=pack_strategy(wish.strategy),
            status="cancelled",
        )
        await files.insert(tx, known)
    if batch_id is not None:
        await files.change(tx, known, {"batch_id": batch_id})
    if known.status in ("failed", "cancelled"):
        await files.change(tx, known, {"attributes": dict(wish.attributes), "strategy": pack_strategy(wish.strategy)})
        await _begin(tx, store, known, call)
    made = await files.get(store.project_id, store.id, source.id, tx)
    assert made is not None  # it was written in this transaction
    return made


async def _begin(tx: Transaction, store: VectorStore, file: StoreFile, call: Call) -> None:
    retrieval, jobs, caller = call.services.retrieval, call.services.jobs, call.caller
    document_no = await retrieval.index.add_document(tx, store.collection_no, file.attributes)
    job_id = call.services.new_id("job")
    values = {
        "status": "in_progress",
        "error_code": None,
        "error_message": None,
        "next_document_no": document_no,
        "job_id": job_id,
    }
    await retrieval.files.change(tx, file, values)
    scopes = {name: None if (given := getattr(caller, name)) is None else sorted(given) for name in ("models", "apis")}
    order = {
        "store_id": store.id,
        "file_id": file.id,
        "document_no": document_no,
        "caller": asdict(caller) | scopes,
        "request": {"api": call.api, "operation_id": call.operation_id},
    }
    await jobs.enqueue(INDEXING, order, store.project_id, job_id=job_id, tx=tx)


def pack_strategy(strategy: Static | Auto) -> dict[str, Any]:
    """As JSON."""
    return {"type": "static" if isinstance(strategy, Static) else "auto", **asdict(strategy)}


def unpack_strategy(packed: Mapping[str, Any]) -> Static | Auto:
    kind = Static if packed["type"] == "static" else Auto
    return kind(packed["max_chunk_size_tokens"], packed["chunk_overlap_tokens"])


async def store_and_file(store_id: str, name: str, call: Call) -> tuple[VectorStore, StoreFile]:
    store = await get_store(store_id, call)
    return store, await get_file(store, name, call)


def _missing(name: str) -> NotFound:
    return NotFound(f"the vector store has no file {name}", code="vector_store_file_not_found")
