"""The job that makes a file's chunks: it is read, cut, embedded in batches, and then takes the place of what was there.

A process that dies leaves the chunks that it has written, and the next goes on behind them: the same file falls into
the same chunks.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from handlers.core.call import Call, Caller
from handlers.core.embeddings import EmbedAsk, embed
from handlers.core.errors import CoreError, Invalid, TooLarge
from handlers.core.files import File
from handlers.core.jobs import Definition, Run, StepFailed
from handlers.core.retrieval.chunking import Chunk, chunk
from handlers.core.retrieval.files import INDEXING, discard, unpack_strategy
from providers.errors import Unreadable
from providers.extraction.interface import Section
from storage.ledger_record import Record
from storage.repositories.vector_stores import StoreFile, VectorStore
from storage.search import NewChunk
from storage.tables.types import instant

AT_ONCE = 64
"""Chunks that are embedded, and written, together."""
LARGEST_BYTES = 512 * 2**20
MOST_CHUNKS = 100_000
BYTES_PER_NUMBER = 4


@dataclass(frozen=True, slots=True)
class _Making:
    run: Run
    store: VectorStore
    file: StoreFile

    @property
    def document_no(self) -> int:
        return int(self.run.input["document_no"])


async def _work(run: Run) -> dict[str, Any]:
    try:
        return dict(await run.step("index", lambda: _index(run)))
    except StepFailed as failure:
        error = {"error_code": failure.code, "error_message": failure.message}
    return dict(await run.step("fail", lambda: _fail(run, error)))


async def _index(run: Run) -> dict[str, Any]:
    making = await _find(run)
    if making is None:
        return await _give_up(run)
    chunks = await _read(making)
    done = await run.services.retrieval.index.count(making.document_no)
    for start in range(done, len(chunks), AT_ONCE):
        if not await _add(making, start, chunks[start : start + AT_ONCE]):
            return await _give_up(run)
        await run.progress(min(1.0, (start + AT_ONCE) / len(chunks)))
    return await _finish(making, chunks)


async def _find(run: Run) -> _Making | None:
    """None when the file was taken out, or called off, or is made by another job by now."""
    retrieval, project_id, store_id = run.services.retrieval, run.project_id, run.input["store_id"]
    store = await retrieval.stores.get(project_id, store_id, instant(run.services.clock()))
    file = await retrieval.files.get(project_id, store_id, run.input["file_id"])
    if store is None or file is None or file.job_id != run.job.id or file.status != "in_progress":
        return None
    return _Making(run, store, file)


async def _read(making: _Making) -> list[Chunk]:
    """Raises `CoreError` for a file that is gone, or cannot be read."""
    services, file = making.run.services, making.file
    source = await services.files.get(file.project_id, file.file_id)
    if source.size_bytes > LARGEST_BYTES:
        raise TooLarge(f"the file has more than {LARGEST_BYTES} bytes", code="too_large")
    services.retrieval.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=services.retrieval.folder) as copy:
        await _copy(making.run, source, copy)
        try:
            sections = await services.retrieval.extractor.extract(Path(copy.name), source.filename, source.media_type)
        except Unreadable as unreadable:
            raise Invalid(unreadable.message, code=unreadable.code) from None
    chunks = await asyncio.to_thread(_cut, sections, making.file)
    if len(chunks) > MOST_CHUNKS:
        raise TooLarge(f"the file falls into more than {MOST_CHUNKS} chunks", code="too_large")
    return chunks


def _cut(sections: Sequence[Section], file: StoreFile) -> list[Chunk]:
    return chunk(sections, unpack_strategy(file.strategy))


async def _copy(run: Run, source: File, copy: IO[bytes]) -> None:
    async for piece in await run.services.files.open(source):
        await asyncio.to_thread(copy.write, piece)
    await asyncio.to_thread(copy.flush)


async def _add(making: _Making, start: int, chunks: Sequence[Chunk]) -> bool:
    """False when the document is gone."""
    store = making.store
    ask = EmbedAsk(
        model=store.embedding_model,
        texts=[one.text for one in chunks],
        dimensions=store.dimensions,
        truncate=True,
    )
    call = _call(making, start)
    try:
        embedded = await embed(ask, call)
    except CoreError as error:
        call.record.state, call.record.http_status, call.record.error_code = "failed", error.status, error.code
        raise
    else:
        call.record.state, call.record.http_status = "completed", 200
    finally:
        await making.run.services.ledger.finish(call.record)
    new = [
        NewChunk(
            text=one.text,
            vector=vector,
            tokens=one.tokens,
            start=one.start,
            stop=one.stop,
            page=one.page,
            slide=one.slide,
            sheet=one.sheet,
        )
        for one, vector in zip(chunks, embedded.vectors, strict=True)
    ]
    try:
        return await making.run.services.retrieval.index.insert(making.document_no, start, new)
    except ValueError as error:
        raise Invalid(str(error), code="dimensions_not_supported") from None


def _call(making: _Making, start: int) -> Call:
    """On behalf of who put the file in: a request of its own in the ledger, the same when it is done again."""
    given, request = making.run.input["caller"], making.run.input["request"]
    scopes = {name: None if given[name] is None else frozenset(given[name]) for name in ("models", "apis")}
    who = Caller(**(given | scopes))
    request_id = f"{making.run.job.id}.{start}"
    record = Record(request_id, request["api"], request["operation_id"], making.run.services.clock())
    record.project_id, record.key_id = who.project_id, who.key_id
    return Call(services=making.run.services, headers={}, record=record, who=who, request_id=request_id, **request)


async def _finish(making: _Making, chunks: Sequence[Chunk]) -> dict[str, Any]:
    run, store, file = making.run, making.store, making.file
    retrieval = run.services.retrieval
    usage_bytes = sum(len(one.text.encode()) + store.dimensions * BYTES_PER_NUMBER for one in chunks)
    done = {
        "status": "completed",
        "chunks": len(chunks),
        "tokens": sum(one.tokens for one in chunks),
        "usage_bytes": usage_bytes,
        "indexed_at": instant(run.services.clock()),
        "document_no": making.document_no,
        "next_document_no": None,
    }
    async with retrieval.index.database.writing() as tx:
        is_ours = await retrieval.files.change(tx, file, done, run.job.id)
        if is_ours:
            await retrieval.index.publish(tx, making.document_no)
            await retrieval.stores.resize(tx, store.project_id, store.id, usage_bytes - file.usage_bytes)
            await discard(tx, file.document_no, file, _call(making, len(chunks)))
    return {"status": "completed", "chunks": len(chunks)} if is_ours else await _give_up(run)


async def _fail(run: Run, error: dict[str, str]) -> dict[str, Any]:
    """What was there before stays, and is found."""
    retrieval, making = run.services.retrieval, await _find(run)
    if making is not None:
        async with retrieval.index.database.writing() as tx:
            ended = {"status": "failed", "next_document_no": None, **error}
            await retrieval.files.change(tx, making.file, ended, run.job.id)
    await _clear(run)
    return {"status": "failed", **error}


async def _give_up(run: Run) -> dict[str, Any]:
    """Nobody wants it any more, unless it was finished already and only its step is done again."""
    file = await run.services.retrieval.files.get(run.project_id, run.input["store_id"], run.input["file_id"])
    if file is not None and file.document_no == run.input["document_no"]:
        return {"status": "completed", "chunks": file.chunks}
    await _clear(run)
    return {"status": "cancelled"}


async def _clear(run: Run) -> None:
    remove = partial(run.services.retrieval.index.remove_some, run.input["document_no"])
    while await remove():
        pass


DEFINITION = Definition(INDEXING, _work, tries=8)
