"""The documents of a Box are files of its store; what they are besides is kept in their attributes."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from handlers.core.call import Call
from handlers.core.errors import Conflict, Invalid, NotFound, TooLarge
from handlers.core.files import NewFile
from handlers.core.jobs import Job, JobState
from handlers.core.retrieval import files, stores
from handlers.core.retrieval.chunking import Auto
from handlers.core.retrieval.files import INDEXING, NewStoreFile, StoreFile
from handlers.core.retrieval.indexing import BYTES_PER_NUMBER, DEFINITION, MOST_CHUNKS
from handlers.core.retrieval.stores import NewStore, Page, VectorStore
from storage.repositories.workers import Workers
from storage.tables.vector_stores import BOX

__all__ = [
    "LARGEST_BYTES",
    "MOST_CHUNKS",
    "MOST_DOCUMENTS",
    "MOST_TRIES",
    "Document",
    "IndexingJob",
    "Upload",
    "add_document",
    "delete_document",
    "find_box",
    "find_job",
    "get_document",
    "list_documents",
    "reindex_document",
    "text_bytes",
]

MOST_DOCUMENTS = 1000
LARGEST_BYTES = 20 * 2**20
MEDIA_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}")
MOST_TRIES = DEFINITION.tries
PURPOSE = "user_data"


@dataclass(frozen=True, slots=True)
class Document:
    """`is_running` says that a worker has it in hand."""

    file: StoreFile
    is_running: bool = False

    @property
    def media_type(self) -> str:
        return str(self.file.attributes.get("mime_type") or "application/octet-stream")

    @property
    def source_hash(self) -> str:
        """SHA-256, in hex."""
        return str(self.file.attributes.get("source_hash") or "")


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    content: bytes
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class IndexingJob:
    """`lease_until` is when it is given to another worker, unless its own is heard of again; `heartbeat_at` is when
    that was last."""

    job: Job
    lease_until: datetime | None = None
    heartbeat_at: datetime | None = None


async def find_box(project: str, call: Call) -> VectorStore | None:
    """Of the caller's own project, by slug or id; None when nothing was put in yet. Raises `NotFound` for another's."""
    if project not in (call.caller.project, call.caller.project_id):
        raise NotFound(f"there is no project {project}", code="project_not_found")
    try:
        return await stores.get_store(BOX, call)
    except NotFound:
        return None


async def add_document(project: str, upload: Upload, call: Call) -> tuple[Document, bool]:
    """And whether it was there before: the same bytes are kept once. It is indexed by a job."""
    box = await find_box(project, call)
    name, media_type = _described(upload)
    digest = await asyncio.to_thread(lambda: hashlib.sha256(upload.content).hexdigest())
    known = await list_documents(box, call) if box else []
    for document in known:
        if document.source_hash == digest:
            return document, True
    if len(known) >= MOST_DOCUMENTS:
        raise Conflict(f"the Box holds {MOST_DOCUMENTS} documents already", code="box_full")
    box = box or await _make_box(call)
    new = NewFile(name, PURPOSE, media_type)
    file = await call.services.files.create(call.caller.project_id, _pieces(upload.content), new)
    attributes = {"source_hash": digest, "mime_type": media_type, "filename": name}
    (attached,) = await files.attach_files(box, [NewStoreFile(file.id, attributes, Auto())], call)
    return Document(attached), False


async def list_documents(box: VectorStore, call: Call) -> Sequence[Document]:
    """The newest first."""
    found, _ = await files.list_files(box, Page(limit=MOST_DOCUMENTS), call)
    running: set[str] = set()
    if any(file.status == "in_progress" for file in found):
        states: tuple[JobState, ...] = ("running",)
        jobs = await call.services.jobs.list(box.project_id, kind=INDEXING, states=states, limit=MOST_DOCUMENTS)
        running = {job.id for job in jobs}
    return [Document(file, file.job_id in running) for file in found]


async def get_document(project: str, document_id: str, call: Call) -> Document:
    _, file = await _find(project, document_id, call)
    if file.status != "in_progress":
        return Document(file)
    job = await find_job(file, call)
    return Document(file, job is not None and job.job.state == "running")


async def delete_document(project: str, document_id: str, call: Call) -> Document:
    """With its source."""
    box, file = await _find(project, document_id, call)
    gone = await files.detach_file(box, file.id, call)
    with suppress(NotFound):  # its owner may have deleted it as a file
        await call.services.files.delete(file.project_id, file.file_id)
    return Document(gone)


async def reindex_document(project: str, document_id: str, call: Call) -> Document:
    box, file = await _find(project, document_id, call)
    await files.reindex_file(box, file.id, call)
    return await get_document(project, document_id, call)


async def find_job(file: StoreFile, call: Call) -> IndexingJob | None:
    """The one that indexes it, or did so last; None when it is forgotten."""
    if file.job_id is None:
        return None
    try:
        job = await call.services.jobs.get(file.project_id, file.job_id)
    except NotFound:
        return None
    if job.state != "running" or job.process_id is None:
        return IndexingJob(job)
    workers = Workers(call.services.retrieval.index.database)
    return IndexingJob(job, await workers.lease_until(job.process_id), await workers.heard_of(job.process_id))


def text_bytes(file: StoreFile, box: VectorStore) -> int:
    """Of its chunks."""
    return file.usage_bytes - file.chunks * box.dimensions * BYTES_PER_NUMBER


async def _find(project: str, document_id: str, call: Call) -> tuple[VectorStore, StoreFile]:
    box = await find_box(project, call)
    missing = NotFound(f"the Box has no document {document_id}", code="box_document_not_found")
    if box is None:
        raise missing
    try:
        return box, await files.get_file(box, document_id, call)
    except NotFound:
        raise missing from None


async def _make_box(call: Call) -> VectorStore:
    try:
        return await stores.create_store(NewStore(name="Project Box", id=BOX), call)
    except Conflict:
        return await stores.get_store(BOX, call)


def _described(upload: Upload) -> tuple[str, str]:
    """Its name without folders, and its media type. Raises `Invalid` and `TooLarge`."""
    name = upload.filename.replace("\\", "/").rpartition("/")[2].strip()
    if not name:
        raise Invalid("filename must not be empty", param="filename")
    if not upload.content:
        raise Invalid("the document is empty", code="empty", param="content_base64")
    if len(upload.content) > LARGEST_BYTES:
        raise TooLarge(f"a document may have {LARGEST_BYTES} bytes", code="document_too_large")
    media_type = upload.media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
    if not MEDIA_TYPE.fullmatch(media_type):
        raise Invalid("mime_type must be a media type such as text/plain", param="mime_type")
    return name, media_type


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content
