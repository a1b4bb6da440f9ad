"""Blobs as files below one folder."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from storage.blobs.interface import READ_BYTES, Blob, checked
from storage.disk import sync
from storage.errors import StorageUnavailable

INCOMING = ".incoming~"
"""Where files grow before they get their name; no key can name it, for its `~`."""


@dataclass(frozen=True, slots=True)
class LocalBlobs:
    folder: Path

    async def put(self, key: str, content: AsyncIterator[bytes]) -> Blob:
        target = self.folder / checked(key)
        hashed, size_bytes = hashlib.sha256(), 0
        with _translated():
            file = await asyncio.to_thread(self._begin)
        try:
            async for piece in content:
                size_bytes += len(piece)
                with _translated():
                    await asyncio.to_thread(_append, file, hashed, piece)
            with _translated():
                await asyncio.to_thread(_commit, file, target)
        except BaseException:
            await asyncio.to_thread(_discard, file)
            raise
        return Blob(key, size_bytes, hashed.hexdigest())

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes] | None:
        size_bytes = await self.size(key)
        if size_bytes is None:
            return None
        return _pieces(self.folder / key, start, size_bytes if stop is None else min(stop, size_bytes))

    async def size(self, key: str) -> int | None:
        path = self.folder / checked(key)
        with _translated():
            return await asyncio.to_thread(_size, path)

    async def exists(self, key: str) -> bool:
        return await self.size(key) is not None

    async def delete(self, key: str) -> bool:
        path = self.folder / checked(key)
        with _translated():
            return await asyncio.to_thread(_delete, path)

    async def list(self, folder: str) -> AsyncIterator[str]:
        with _translated():
            found = await asyncio.to_thread(_below, self.folder, self.folder / checked(folder))
        for key in found:
            yield key

    async def purge(self, before: float) -> int:
        """Removes files that processes which died left half-written, last written to before then (unix seconds);
        answers how many."""
        with _translated():
            return await asyncio.to_thread(_purge, self.folder / INCOMING, before)

    def _begin(self) -> IO[bytes]:
        incoming = self.folder / INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        return tempfile.NamedTemporaryFile(dir=incoming, delete=False)


async def _pieces(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    """Reads from the file as it was when the first piece was asked for, even if it is replaced meanwhile."""
    with _translated():
        file = await asyncio.to_thread(path.open, "rb")
    try:
        with _translated():
            await asyncio.to_thread(file.seek, start)
        while start < stop:
            with _translated():
                piece = await asyncio.to_thread(file.read, min(READ_BYTES, stop - start))
            if not piece:
                return
            start += len(piece)
            yield piece
    finally:
        file.close()


def _append(file: IO[bytes], hashed: Any, piece: bytes) -> None:
    hashed.update(piece)
    file.write(piece)


def _below(root: Path, folder: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in folder.rglob("*") if path.is_file()]


def _commit(file: IO[bytes], target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file.name, target)
    sync(target.parent)


def _discard(file: IO[bytes]) -> None:
    # closing waits for a write that a cancelled task left running in its thread
    with suppress(OSError):
        file.close()
    with suppress(FileNotFoundError):
        os.unlink(file.name)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _delete(path: Path) -> bool:
    try:
        path.unlink()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return False
    sync(path.parent)
    return True


def _purge(incoming: Path, before: float) -> int:
    old = [file for file in incoming.glob("*") if file.stat().st_mtime < before]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"a blob cannot be read or written: {error}") from error
