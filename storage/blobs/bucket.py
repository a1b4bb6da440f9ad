"""Blobs as objects of a bucket: any store that obstore speaks to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from obstore.exceptions import BaseError

from storage.blobs.interface import READ_BYTES, Blob, checked
from storage.errors import StorageUnavailable

PART_BYTES = 8 * 1_048_576
PARTS_AT_ONCE = 2
"""An upload holds as many parts in memory."""


@dataclass(frozen=True, slots=True)
class BucketBlobs:
    """`store` is one of `obstore.store`, with the prefix that all keys are below."""

    store: Any

    async def put(self, key: str, content: AsyncIterator[bytes]) -> Blob:
        """What is small goes in one request. Of what is large the store is handed what `content` gives, and told when
        that breaks off, so that it drops what it has."""
        hashed, size_bytes = hashlib.sha256(), 0
        held: list[bytes] = []
        feed = _Feed(self.store, checked(key))
        try:
            async for piece in content:
                await asyncio.to_thread(hashed.update, piece)
                size_bytes += len(piece)
                held.append(piece)
                if size_bytes >= PART_BYTES:
                    await feed.give(b"".join(held))
                    held = []
            await feed.finish(b"".join(held))
        except BaseException:
            await feed.break_off()
            raise
        return Blob(key, size_bytes, hashed.hexdigest())

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes] | None:
        size_bytes = await self.size(key)
        if size_bytes is None:
            return None
        end = size_bytes if stop is None else min(stop, size_bytes)
        if start >= end:
            return _nothing()
        try:
            with _translated():
                found = await self.store.get_async(key, options={"range": (start, end)})
        except FileNotFoundError:
            return None
        return _pieces(found)

    async def size(self, key: str) -> int | None:
        try:
            with _translated():
                meta = await self.store.head_async(checked(key))
        except FileNotFoundError:
            return None
        return int(meta["size"])

    async def exists(self, key: str) -> bool:
        return await self.size(key) is not None

    async def delete(self, key: str) -> bool:
        if not await self.exists(key):
            return False
        try:
            with _translated():
                await self.store.delete_async(key)
        except FileNotFoundError:
            return False
        return True

    async def list(self, folder: str) -> AsyncIterator[str]:
        with _translated():
            async for page in self.store.list(checked(folder)):
                for meta in page:
                    yield meta["path"]

    async def purge(self, before: float) -> int:
        """A bucket's own rule for incomplete uploads removes them."""
        return 0


class _BrokenOff(Exception):
    """There is no more to store, and what there was is not wanted."""


class _Feed:
    """An upload under way: from its first piece on the store takes them out of a queue of one."""

    def __init__(self, store: Any, key: str) -> None:
        self._store = store
        self._key = key
        self._queue: asyncio.Queue[bytes | _BrokenOff | None] = asyncio.Queue(1)
        self._storing: asyncio.Task[Any] | None = None

    async def give(self, piece: bytes) -> None:
        if self._storing is None:
            options = {"use_multipart": True, "chunk_size": PART_BYTES, "max_concurrency": PARTS_AT_ONCE}
            storing = self._store.put_async(self._key, self._pieces(), **options)
            self._storing = asyncio.get_running_loop().create_task(storing)
            self._storing.add_done_callback(lambda _: self._empty())
        await self._queue.put(piece)
        if self._storing.done():
            await self._end(self._storing)

    async def finish(self, piece: bytes) -> None:
        """With the last piece, or all there is."""
        if self._storing is None:
            with _translated():
                await self._store.put_async(self._key, piece, use_multipart=False)
            return
        if piece:
            await self.give(piece)
        await self._queue.put(None)
        await self._end(self._storing)

    async def break_off(self) -> None:
        if self._storing is None:
            return
        self._empty()
        self._queue.put_nowait(_BrokenOff())
        await asyncio.wait({self._storing})
        if not self._storing.cancelled():
            self._storing.exception()  # it was looked at: there is nobody to tell

    async def _end(self, storing: asyncio.Task[Any]) -> None:
        with _translated():
            await asyncio.shield(storing)

    async def _pieces(self) -> AsyncIterator[bytes]:
        while (piece := await self._queue.get()) is not None:
            if isinstance(piece, _BrokenOff):
                raise piece
            yield piece

    def _empty(self) -> None:
        """Whoever waits for room goes on."""
        while not self._queue.empty():
            self._queue.get_nowait()


async def _pieces(found: Any) -> AsyncIterator[bytes]:
    with _translated():
        async for piece in found.stream(min_chunk_size=READ_BYTES):
            yield bytes(piece)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield


@contextmanager
def _translated() -> Iterator[None]:
    """A store's own words may hold its address and what signs a request: only their kind is passed on."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StorageUnavailable(f"the bucket fails: {type(error).__name__}") from None
