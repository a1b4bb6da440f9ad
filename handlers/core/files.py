"""The files of projects: one store, whatever API a file came by.

A file is there once its bytes are durable, and not before: its blob is announced, put, and then held by the row that
makes the file. What breaks off on the way leaves nothing but an announcement, which the cleaning job clears away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from handlers.core.errors import Invalid, NotFound, TooLarge
from storage.blobs.interface import Blobs
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.repositories.blobs import BlobRows
from storage.repositories.files import File, FilePage, Files
from storage.tables.types import instant

__all__ = ["File", "FilePage", "FileStore", "NewFile"]

UPLOAD_SECONDS = 86_400
"""An upload that takes longer is given up."""
MAX_NAME_LENGTH = 1024
MAX_LASTING_SECONDS = 100 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class NewFile:
    """`expires_after_seconds` None is never."""

    filename: str
    purpose: str
    media_type: str = "application/octet-stream"
    expires_after_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class FileStore:
    """Every method names the project, and raises `NotFound` for a file that it does not have, and `StorageError`."""

    database: Database
    blobs: Blobs
    clock: Callable[[], float]
    new_id: Callable[[str], str]

    async def create(
        self, project_id: str, content: AsyncIterator[bytes], describe: Callable[[], NewFile] | NewFile
    ) -> File:
        """Reads `content` to its end, and only then asks for what it is; what either raises is raised, and nothing is
        kept. Raises `Invalid` for a description that does not fit."""
        if isinstance(describe, NewFile):
            _check(describe)
        described = NewFile("", "")

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal described
            async for piece in content:
                yield piece
            described = describe if isinstance(describe, NewFile) else describe()
            _check(described)

        file_id = self.new_id("file")
        key = f"files/{project_id}/{file_id}"
        await BlobRows(self.database).announce(project_id, key, instant(self.clock() + UPLOAD_SECONDS))
        async with aclosing(content), aclosing(pieces()) as arriving:  # type: ignore[type-var]
            blob = await self.blobs.put(key, arriving)
        now, lasting = self.clock(), described.expires_after_seconds
        file = File(
            id=file_id,
            project_id=project_id,
            created_at=instant(now),
            filename=described.filename,
            purpose=described.purpose,
            media_type=described.media_type,
            size_bytes=blob.size_bytes,
            sha256=blob.sha256,
            blob_key=key,
            expires_at=None if lasting is None else instant(now + lasting),
        )
        async with self.database.writing() as tx:
            await Files(self.database).insert(tx, file)
        return file

    async def get(self, project_id: str, file_id: str) -> File:
        found = await Files(self.database).get(project_id, file_id, instant(self.clock()))
        if found is None:
            raise _missing(file_id)
        return found

    async def list(self, project_id: str, page: FilePage) -> tuple[Sequence[File], bool]:
        """A page, and whether there is more behind it. Raises `NotFound` for an `after` that never was."""
        wanted = page if page.limit is None else replace(page, limit=page.limit + 1)
        found = await Files(self.database).list(project_id, wanted, instant(self.clock()))
        if found is None:
            raise _missing(page.after or "")
        return found[: page.limit], page.limit is not None and len(found) > page.limit

    async def count(self, project_id: str, purpose: str | None = None) -> int:
        return await Files(self.database).count(project_id, purpose, instant(self.clock()))

    async def delete(self, project_id: str, file_id: str) -> None:
        """Its bytes go later, unless something else refers to them."""
        if not await Files(self.database).delete(project_id, file_id, instant(self.clock())):
            raise _missing(file_id)

    async def open(self, file: File, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to and without `stop`, in pieces."""
        content = await self.blobs.get(file.blob_key, start, stop)
        if content is None:
            raise StorageUnavailable(f"the blob of {file.id} is gone")
        return content

    async def read(self, file: File, max_bytes: int) -> bytes:
        """All of it. Raises `TooLarge`."""
        if file.size_bytes > max_bytes:
            raise TooLarge(f"the file {file.id} is larger than {max_bytes} bytes", code="file_too_large")
        return b"".join([piece async for piece in await self.open(file)])


def _missing(file_id: str) -> NotFound:
    return NotFound(f"there is no file {file_id}", code="file_not_found")


def _check(new: NewFile) -> None:
    for name, text in (("filename", new.filename), ("purpose", new.purpose)):
        if len(text) > MAX_NAME_LENGTH:
            raise Invalid(f"{name} must have {MAX_NAME_LENGTH} characters at most", param=name)
        if "\0" in text:
            raise Invalid(f"{name} must not hold a NUL", param=name)
    if new.expires_after_seconds is not None and not 0 < new.expires_after_seconds <= MAX_LASTING_SECONDS:
        raise Invalid("expires_after.seconds is out of bounds", param="expires_after")
