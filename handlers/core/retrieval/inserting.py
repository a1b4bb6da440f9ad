"""Texts put into a store as they are, without a file: they are found as soon as the request has been answered.

All texts of a request are embedded before anything is written. A document that is being written is not found; one
whose writer dies is given up after a while, as is one whose time is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from handlers.core.call import Call
from handlers.core.embeddings import EmbedAsk, embed
from handlers.core.errors import Invalid
from handlers.core.jobs import Definition, Run
from handlers.core.parts import in_parts
from handlers.core.retrieval.chunking import Chunk
from handlers.core.retrieval.clearing import REMOVAL
from handlers.core.retrieval.stores import MAX_LASTING_SECONDS, missing, touch_store
from providers import tokens
from providers.embeddings.interface import Vector
from storage.database import Transaction
from storage.repositories.store_documents import StoreDocument
from storage.repositories.vector_stores import VectorStore
from storage.search import NewChunk
from storage.tables.types import instant

SWEEPING = "vector_store_document_sweeping"
MOST_CHUNKS = 10_000
"""Put in by one request."""
EMBEDDED_AT_ONCE, WRITTEN_AT_ONCE = 256, 200
WRITING_SECONDS = 3600
BYTES_PER_NUMBER = 4
SWEPT_AT_ONCE = 200
LONGEST_TEXT = 1_000_000
LARGEST_EXTRA_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Passage:
    """`extra` is kept with it, and given back."""

    chunk: Chunk
    extra: Mapping[str, Any]


def whole(text: str, extra: Mapping[str, Any]) -> Passage:
    """A text that is a chunk as it is. Counting its tokens takes time: call it in a thread."""
    return Passage(Chunk(text, 0, len(text), tokens.count(text)), extra)


@dataclass(frozen=True, slots=True)
class NewDocument:
    """It takes the place of what was put in by the same `name`; None is no name."""

    passages: Sequence[Passage]
    name: str | None = None


async def insert_documents(
    store: VectorStore, news: Sequence[NewDocument], call: Call, lasting_seconds: int | None = None
) -> None:
    """All or none. Raises `Invalid`, what embedding raises, and `NotFound` for a store that is deleted meanwhile."""
    _check(news, lasting_seconds)
    with in_parts(call) as part:
        vectors = await _embed(store, [one.chunk.text for new in news for one in new.passages], part)
    written: list[tuple[StoreDocument, NewDocument]] = []
    try:
        for new in news:
            document = await _begin(store, new, call)
            written.append((document, new))
            vectors = await _write(document, new, vectors, call)
        lasting = None if lasting_seconds is None else timedelta(seconds=lasting_seconds)
        await _publish(store, written, call, lasting)
    except BaseException:
        await _give_up([document for document, _ in written], call)
        raise
    await touch_store(store, call)


async def _embed(store: VectorStore, texts: Sequence[str], part: Any) -> list[Vector]:
    vectors: list[Vector] = []
    for start in range(0, len(texts), EMBEDDED_AT_ONCE):
        ask = EmbedAsk(
            model=store.embedding_model,
            texts=texts[start : start + EMBEDDED_AT_ONCE],
            dimensions=store.dimensions,
            truncate=True,
        )
        vectors += (await embed(ask, part())).vectors
    if any(len(vector) != store.dimensions for vector in vectors):
        message = f"{store.embedding_model} does not make vectors of {store.dimensions} dimensions"
        raise Invalid(message, code="dimensions_not_supported")
    return vectors


async def _begin(store: VectorStore, new: NewDocument, call: Call) -> StoreDocument:
    retrieval, now = call.services.retrieval, instant(call.services.clock())
    async with retrieval.index.database.writing() as tx:
        if await retrieval.stores.get(store.project_id, store.id, now, tx) is None:
            raise missing(store.id)
        number = await retrieval.index.add_document(tx, store.collection_no, {})
        given_up_at = now + timedelta(seconds=WRITING_SECONDS)
        document = StoreDocument(number, store.project_id, store.id, now, new.name, expires_at=given_up_at)
        await retrieval.documents.insert(tx, document)
    return document


async def _write(document: StoreDocument, new: NewDocument, vectors: Sequence[Vector], call: Call) -> list[Vector]:
    """Answers the vectors that are left for others."""
    for start in range(0, len(new.passages), WRITTEN_AT_ONCE):
        passages = new.passages[start : start + WRITTEN_AT_ONCE]
        chunks = [_chunk(*one) for one in zip(passages, vectors[start:], strict=False)]
        if not await call.services.retrieval.index.insert(document.document_no, start, chunks):
            raise missing(document.store_id)
    return list(vectors[len(new.passages) :])


async def _publish(
    store: VectorStore, written: Sequence[tuple[StoreDocument, NewDocument]], call: Call, lasting: timedelta | None
) -> None:
    retrieval, now = call.services.retrieval, instant(call.services.clock())
    async with retrieval.index.database.writing() as tx:
        for document, new in written:
            if new.name is not None:
                for earlier in await retrieval.documents.named(tx, store.project_id, store.id, new.name):
                    await _remove(tx, earlier, call)
            size = sum(len(one.chunk.text.encode()) + store.dimensions * BYTES_PER_NUMBER for one in new.passages)
            expires_at = None if lasting is None else now + lasting
            if not await retrieval.documents.publish(tx, document.document_no, size, expires_at):
                raise missing(store.id)
            await retrieval.index.publish(tx, document.document_no)
            await retrieval.stores.resize(tx, store.project_id, store.id, size)
    call.services.jobs.wanted.ring()


async def _give_up(documents: Sequence[StoreDocument], call: Call) -> None:
    async with call.services.retrieval.index.database.writing() as tx:
        for document in documents:
            await _remove(tx, document, call)


async def _remove(tx: Transaction, document: StoreDocument, doer: Call | Run) -> bool:
    """It is not found from here on, and goes."""
    retrieval, jobs = doer.services.retrieval, doer.services.jobs
    if not await retrieval.documents.delete(tx, document.document_no):
        return False
    await retrieval.stores.resize(tx, document.project_id, document.store_id, -document.usage_bytes)
    await retrieval.index.retire(tx, document.document_no)
    await jobs.enqueue(REMOVAL, {"document_no": document.document_no}, document.project_id, tx=tx)
    return True


def _chunk(passage: Passage, vector: Vector) -> NewChunk:
    cut = passage.chunk
    return NewChunk(
        text=cut.text,
        vector=vector,
        tokens=cut.tokens,
        start=cut.start,
        stop=cut.stop,
        page=cut.page,
        slide=cut.slide,
        sheet=cut.sheet,
        extra=passage.extra,
    )


def _check(news: Sequence[NewDocument], lasting_seconds: int | None) -> None:
    passages = [one for new in news for one in new.passages]
    if len(passages) > MOST_CHUNKS:
        raise Invalid(f"there may be {MOST_CHUNKS} chunks at once", code="too_many_chunks")
    if lasting_seconds is not None and not 0 < lasting_seconds <= MAX_LASTING_SECONDS:
        raise Invalid("ttl_seconds is out of bounds", param="ttl_seconds")
    for one in passages:
        if not one.chunk.text.strip() or len(one.chunk.text) > LONGEST_TEXT or "\0" in one.chunk.text:
            raise Invalid(f"a chunk must be a text of {LONGEST_TEXT} characters at most, and no NUL", param="content")
        packed = orjson.dumps(one.extra)
        if len(packed) > LARGEST_EXTRA_BYTES or rb"\u0000" in packed:
            message = f"metadata must have {LARGEST_EXTRA_BYTES} bytes at most, and no NUL"
            raise Invalid(message, param="metadata")
    for name in [new.name for new in news if new.name is not None]:
        if "\0" in name:
            raise Invalid("a document's id must not hold a NUL", param="document_id")


# clearing away


async def _sweep(run: Run) -> dict[str, Any]:
    return {"documents": await run.step("expire", lambda: _expire(run, instant(run.services.clock())))}


async def _expire(run: Run, now: datetime) -> int:
    retrieval, total = run.services.retrieval, 0
    while over := await retrieval.documents.over(now, SWEPT_AT_ONCE):
        for document in over:
            async with retrieval.index.database.writing() as tx:
                total += await _remove(tx, document, run)
    run.services.jobs.wanted.ring()
    return total


DEFINITION = Definition(SWEEPING, _sweep, cron="* * * * *")
