"""Files on their way into vector stores, by one worker after another, on both databases."""

from __future__ import annotations

import asyncio
import itertools
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

import pytest

from handlers.core.call import Call, Caller
from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.files import FileStore, NewFile
from handlers.core.jobs import Definitions, Jobs
from handlers.core.retrieval import batches, clearing, files, indexing, searching, stores
from handlers.core.retrieval.chunking import Static
from handlers.core.retrieval.desk import Retrieval
from handlers.core.services import Services
from providers.embeddings.interface import Embeddings, EmbeddingsRequest
from providers.errors import Refused, Unreadable
from providers.extraction.interface import Section
from server.worker import Worker
from storage.blobs.local import LocalBlobs
from storage.database import Database
from storage.ledger_record import Record
from storage.repositories.vector_stores import Page, StoreFile, VectorStore
from storage.search import Attribute, SearchIndex
from tests.contract.jobs.conftest import PATIENCE_SECONDS, QUICK
from tests.contract.storage.conftest import Two
from tests.unit.handlers.bench import make_services

DEFINITIONS = (indexing.DEFINITION, *(replace(one, cron=None) for one in clearing.DEFINITIONS))
LONG = "\n".join(f"Line {n} is about the number {n} and about nothing else." for n in range(1200))
SMALL = Static(100, 0)
Seen = TypeVar("Seen")


class PlainText:
    """Pages of text; what begins with `broken` cannot be read."""

    async def extract(self, path: Path, filename: str, media_type: str | None) -> Sequence[Section]:
        text = await asyncio.to_thread(path.read_text)
        if text.startswith("broken"):
            raise Unreadable("corrupt", "the document is damaged")
        return [Section(one, page=number) for number, one in enumerate(text.split("\f"), start=1)]


@dataclass
class Words:
    """A vector is made of the text's words. Stalls once, at a text that holds `stall`; refuses one with `refuse`."""

    name: str = "local"
    texts: list[str] = field(default_factory=list)
    stalled: asyncio.Event = field(default_factory=asyncio.Event)

    async def embed(self, request: EmbeddingsRequest) -> Embeddings:
        self.texts += request.texts
        if any("stall" in text for text in request.texts) and not self.stalled.is_set():
            self.stalled.set()
            await asyncio.Event().wait()
        if any("refuse" in text for text in request.texts):
            raise Refused("this text is not embedded")
        return Embeddings([self._vector(text) for text in request.texts], len(request.texts))

    def _vector(self, text: str) -> array[float]:
        vector = array("f", [0.0]) * 384
        for word in text.lower().split():
            vector[crc32(word.encode()) % 384] += 1.0
        return vector

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        return len(texts)

    async def close(self) -> None:
        return None


async def eventually(look: Callable[[], Awaitable[Seen | None]]) -> Seen:
    """What `look` saw when there was something."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (seen := await look()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return seen


@dataclass
class Library:
    services: Services
    call: Call
    other: Call
    embedder: Words

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        worker = Worker(self.services, Definitions(DEFINITIONS), 8, QUICK)
        running = asyncio.ensure_future(worker.run())
        try:
            yield worker
            await self.is_quiet()
        finally:
            running.cancel()
            await asyncio.wait({running})
            await worker.close()

    async def upload(self, text: str, filename: str = "a.txt") -> str:
        async def content() -> AsyncIterator[bytes]:
            yield text.encode()

        project_id = self.call.caller.project_id
        return (await self.services.files.create(project_id, content(), NewFile(filename, "assistants"))).id

    async def attach(self, store: VectorStore, text: str, **wish: Any) -> StoreFile:
        new = files.NewStoreFile(await self.upload(text), **wish)
        return (await files.attach_files(store, [new], self.call))[0]

    async def is_quiet(self) -> None:
        """Until no job of the project is left."""

        async def look() -> bool:
            return not await self.services.jobs.list(self.call.caller.project_id, states=("queued", "running"))

        await eventually(look)

    async def ended(self, store: VectorStore, file: StoreFile) -> StoreFile:
        async def look() -> StoreFile | None:
            found = await files.get_file(store, file.id, self.call)
            return None if found.status == "in_progress" else found

        return await eventually(look)

    async def found(self, store: VectorStore, text: str, **wish: Any) -> list[str]:
        ask = searching.SearchAsk(texts=[text], **wish)
        hits = await searching.search_store(store.id, ask, self.call)
        return [hit.chunk.text for hit in hits.found]

    async def is_clear(self, chunks: int, store: VectorStore) -> None:
        """Until the store has so many chunks, and no more."""

        async def look() -> bool:
            left = await self.services.retrieval.index.get(store.collection_no)
            return left.chunks == chunks if left else chunks == 0

        await eventually(look)


def call_of(services: Services, project_id: str) -> Call:
    record = Record("req-1", "ipop", "vector_stores_create", time.time())
    caller = Caller(project_id, "default", "key-1", models=frozenset({"local/all-minilm-l6-v2"}))
    return Call(services, "ipop", "vector_stores_create", "req-1", {}, record, caller)


@pytest.fixture
async def library(database: Database, projects: Two, tmp_path: Path) -> Library:
    numbers = itertools.count()
    embedder = Words()

    def new_id(noun: str) -> str:
        return f"{noun}-{projects.mine.id}-{next(numbers):05}"

    services = make_services(
        jobs=Jobs(database, time.time, new_id),
        files=FileStore(database, LocalBlobs(tmp_path / "blobs"), time.time, new_id),
        retrieval=Retrieval(SearchIndex(database), PlainText(), tmp_path / "reading"),
        embeddings={"local": embedder},
        clock=time.time,
        new_id=new_id,
    )
    return Library(services, call_of(services, projects.mine.id), call_of(services, projects.other.id), embedder)


@pytest.fixture
async def store(library: Library) -> VectorStore:
    return await stores.create_store(stores.NewStore(name="mine"), library.call)


async def test_a_file_is_read_cut_embedded_and_found_with_its_place(library: Library, store: VectorStore) -> None:
    file = await library.attach(store, "first page about cats\fsecond page about dogs", attributes={"kind": "pets"})
    assert (file.status, await library.found(store, "dogs")) == ("in_progress", [])
    async with library.worker():
        done = await library.ended(store, file)
    assert (done.status, done.chunks, done.document_no is not None, done.error_code) == ("completed", 2, True, None)
    hits = await searching.search_store(store.id, searching.SearchAsk(texts=["dogs"], limit=1), library.call)
    (hit,) = hits.found
    assert hits.has_more
    assert (hit.chunk.text, hit.chunk.page, hit.chunk.start, hit.chunk.stop) == ("second page about dogs", 2, 22, 44)
    assert hit.file is not None
    assert (hit.file.file_id, hit.file.filename, hit.file.attributes) == (file.file_id, "a.txt", {"kind": "pets"})
    assert [chunk.page for chunk in await files.read_chunks(done, library.call)] == [1, 2]
    assert (await stores.get_store(store.id, library.call)).usage_bytes == done.usage_bytes == 43 + 2 * 384 * 4
    records = library.services.ledger.records  # type: ignore[attr-defined]
    assert [(r.request_id, r.state, r.key_id, r.prompt_tokens) for r in records] == [
        (f"{file.job_id}.0", "completed", "key-1", 2)
    ]


async def test_one_failure_stops_only_its_own_file(library: Library, store: VectorStore) -> None:
    texts = ["good about cats", "broken", "refuse this", "also good about cats"]
    made = [await library.attach(store, text) for text in texts]
    gone = await library.attach(store, "deleted before it was read")
    await library.services.files.delete(store.project_id, gone.file_id)
    async with library.worker():
        ended = [await library.ended(store, file) for file in [*made, gone]]
        await library.is_clear(2, store)
    assert [(file.status, file.error_code, file.error_message) for file in ended[:2]] == [
        ("completed", None, None),
        ("failed", "corrupt", "the document is damaged"),
    ]
    assert [file.status for file in ended] == ["completed", "failed", "failed", "completed", "failed"]
    assert (ended[4].error_code, ended[2].error_message) == ("file_not_found", "this text is not embedded")
    assert sorted(await library.found(store, "cats")) == [texts[3], texts[0]]
    counts = await stores.count_files([store], library.call)
    assert counts == {store.id: {"completed": 2, "failed": 3}}


async def test_a_file_that_a_dead_process_left_is_finished_by_the_next(library: Library, store: VectorStore) -> None:
    file = await library.attach(store, LONG.replace("Line 1000", "stall"), strategy=SMALL)
    with suppress(ProcessLookupError):
        async with library.worker(), asyncio.timeout(PATIENCE_SECONDS):
            await library.embedder.stalled.wait()
            raise ProcessLookupError
    before = len(library.embedder.texts)
    assert before > indexing.AT_ONCE
    async with library.worker():
        done = await library.ended(store, file)
    assert done.status == "completed"
    chunks = await files.read_chunks(done, library.call)
    assert [chunk.position for chunk in chunks] == list(range(done.chunks))
    assert "".join(chunk.text for chunk in chunks) == LONG.replace("Line 1000", "stall")
    assert len(library.embedder.texts) <= done.chunks + indexing.AT_ONCE
    assert await library.found(store, "Line 7", mode="keyword", limit=1) != []


async def test_the_same_file_is_attached_once_and_tried_again_when_it_failed(
    library: Library, store: VectorStore
) -> None:
    new = files.NewStoreFile(await library.upload("refuse"))
    (first,) = await files.attach_files(store, [new, new], library.call)
    assert await files.attach_files(store, [new], library.call) == [first]
    async with library.worker():
        assert (await library.ended(store, first)).status == "failed"
        (again,) = await files.attach_files(store, [new], library.call)
        assert (again.id, again.status, again.error_code) == (first.id, "in_progress", None)
        assert (await library.ended(store, again)).status == "failed"
    with pytest.raises(NotFound):
        await files.attach_files(store, [new, files.NewStoreFile("file-unknown")], library.call)


async def test_what_is_detached_or_described_anew_is_found_accordingly(library: Library, store: VectorStore) -> None:
    cats, dogs = [await library.attach(store, text) for text in ("word cats", "word dogs")]
    async with library.worker():
        await library.ended(store, cats)
        await library.ended(store, dogs)
        await files.describe_file(store, cats.file_id, {"kind": "cat"}, library.call)
        assert await library.found(store, "word", filter=Attribute("kind", "eq", "cat")) == ["word cats"]
        await files.detach_file(store, dogs.file_id, library.call)
        assert await library.found(store, "word") == ["word cats"]
        await library.is_clear(1, store)
    usage = (await stores.get_store(store.id, library.call)).usage_bytes
    assert usage == (await files.get_file(store, cats.id, library.call)).usage_bytes > 0
    with pytest.raises(NotFound):
        await files.get_file(store, dogs.id, library.call)


async def test_a_store_is_found_as_it_was_until_it_is_indexed_anew(library: Library, store: VectorStore) -> None:
    file = await library.attach(store, "some words about cats")
    async with library.worker():
        before = await library.ended(store, file)
    assert await files.reindex_store(store, library.call) == 1
    assert await library.found(store, "cats") == ["some words about cats"]
    assert (await files.get_file(store, file.id, library.call)).status == "in_progress"
    async with library.worker():
        after = await library.ended(store, file)
        await library.is_clear(1, store)
    assert (after.status, after.document_no == before.document_no) == ("completed", False)
    assert await library.found(store, "cats") == ["some words about cats"]
    assert (await stores.get_store(store.id, library.call)).usage_bytes == after.usage_bytes


async def test_a_batch_that_is_cancelled_keeps_what_is_done(library: Library, store: VectorStore) -> None:
    texts = ["done already", "stall here"]
    news = [files.NewStoreFile(await library.upload(text)) for text in texts]
    async with library.worker():
        batch = await batches.create_batch(store, news, library.call)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await library.embedder.stalled.wait()
        await library.is_clear(1, store)
        cancelled = await batches.cancel_batch(store, batch.id, library.call)
        assert cancelled.is_cancelled
        assert await batches.count_batch(batch, library.call) == {"completed": 1, "cancelled": 1}
        await library.is_clear(1, store)
    listed, _ = await files.list_files(store, Page(), library.call, batch_id=batch.id, status="cancelled")
    assert [file.file_id for file in listed] == [news[1].file_id]


async def test_a_deleted_store_is_gone_with_all_its_chunks_and_its_name_is_free(library: Library) -> None:
    store = await stores.create_store(stores.NewStore(name="mine", id="my-store"), library.call)
    with pytest.raises(Conflict):
        await stores.create_store(stores.NewStore(name="mine", id="my-store"), library.call)
    file = await library.attach(store, LONG, strategy=SMALL)
    async with library.worker():
        await library.ended(store, file)
        await stores.delete_store(store.id, library.call)
        with pytest.raises(NotFound):
            await library.found(store, "Line")
        again = await stores.create_store(stores.NewStore(id="my-store"), library.call)
        assert await library.found(again, "Line") == []
        await library.is_clear(0, store)
    assert await library.services.retrieval.index.get(store.collection_no) is None
    assert await library.services.files.get(store.project_id, file.file_id)


async def test_files_whose_job_died_and_stores_whose_time_is_over_come_to_an_end(
    library: Library, store: VectorStore
) -> None:
    file = await library.attach(store, "never read")
    assert file.job_id is not None
    await library.services.jobs.cancel(store.project_id, file.job_id)
    brief = await stores.create_store(stores.NewStore(lasting_seconds=1), library.call)
    library.services = replace(library.services, clock=lambda: time.time() + 5)
    async with library.worker():
        job = await library.services.jobs.enqueue(clearing.SWEEPING, None, None)
        async with asyncio.timeout(PATIENCE_SECONDS):
            swept = await library.services.jobs.wait(None, job.id)
    assert swept.result["abandoned_files"] == 1
    assert swept.result["expired_stores"] >= 1
    ended = await files.get_file(store, file.id, library.call)
    assert (ended.status, ended.error_code) == ("failed", "server_error")
    with pytest.raises(NotFound):
        await stores.get_store(brief.id, library.call)


async def test_another_project_sees_nothing(library: Library, store: VectorStore) -> None:
    file = await library.attach(store, "mine")
    acts = [
        lambda: stores.get_store(store.id, library.other),
        lambda: stores.change_store(store.id, stores.Changes(name="theirs"), library.other),
        lambda: stores.delete_store(store.id, library.other),
        lambda: searching.search_store(store.id, searching.SearchAsk(texts=["mine"]), library.other),
        lambda: files.store_and_file(store.id, file.id, library.other),
    ]
    for act in acts:
        with pytest.raises(NotFound):
            await act()  # type: ignore[no-untyped-call]
    assert store.id not in [one.id for one in (await stores.list_stores(Page(limit=100), library.other))[0]]
    theirs = await stores.create_store(stores.NewStore(), library.other)
    with pytest.raises(NotFound):
        await files.attach_files(theirs, [files.NewStoreFile(file.file_id)], library.other)


async def test_lists_go_both_ways(library: Library) -> None:
    made = [(await stores.create_store(stores.NewStore(name=str(n)), library.call)).id for n in range(5)]

    async def ids(**page: Any) -> tuple[list[str], bool]:
        found, has_more = await stores.list_stores(Page(**page), library.call)
        return [store.id for store in found], has_more

    assert await ids(limit=2) == ([made[4], made[3]], True)
    assert await ids(limit=2, after=made[3]) == ([made[2], made[1]], True)
    assert await ids(limit=2, after=made[1]) == ([made[0]], False)
    assert await ids(limit=2, before=made[1]) == ([made[3], made[2]], True)
    assert await ids(limit=9, after=made[4], before=made[1]) == ([made[3], made[2]], False)
    assert await ids(limit=2, newest_first=False, after=made[0]) == ([made[1], made[2]], True)
    await stores.delete_store(made[3], library.call)
    assert await ids(limit=1, after=made[3]) == ([made[2]], True)
    with pytest.raises(NotFound):
        await ids(after="vs-unknown")


@pytest.mark.parametrize(
    ("new", "param"),
    [
        (stores.NewStore(embedding_model="simulator/chat"), "embedding_model"),
        (stores.NewStore(dimensions=100), "embedding_dimension"),
        (stores.NewStore(name="n" * 600), "name"),
        (stores.NewStore(lasting_seconds=0), "expires_after"),
    ],
)
async def test_wrong_stores_are_refused(library: Library, new: stores.NewStore, param: str) -> None:
    call = replace(library.call, who=replace(library.call.caller, models=None))
    with pytest.raises(Invalid) as refused:
        await stores.create_store(new, call)
    assert refused.value.param == param
