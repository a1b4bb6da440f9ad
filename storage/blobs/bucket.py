"""Blobs as objects of a bucket: any store that obstore speaks to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from obstore.exceptions import BaseError

from storage.blobs.interface import Blob, checked
from storage.errors import StorageUnavailable

PART_BYTES = 8 * 1_048_576
PARTS_AT_ONCE = 2
"""An upload holds as many parts in memory."""


@dataclass(frozen=True, slots=True)
class BucketBlobs:
    """`store` is one of `obstore.store`, with the prefix that all keys are below."""

    store: Any

    async def put(self, key: str, content: AsyncIterator[bytes]) -> Blob:
        checked(key)
        passed = _Passed(content)
        try:
            async with aclosing(passed.pieces()) as pieces:  # type: ignore[type-var]
                with _translated():
                    await self.store.put_async(
                        key, pieces, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
                    )
        except Exception:
            if passed.failure is not None:
                raise passed.failure from None
            raise
        return Blob(key, passed.size_bytes, passed.hashed.hexdigest())

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


@dataclass(slots=True)
class _Passed:
    """Content on its way into the store, counted and hashed; `failure` is what it raised."""

    content: AsyncIterator[bytes]
    size_bytes: int = 0
    hashed: Any = field(default_factory=hashlib.sha256)
    failure: BaseException | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self.content:
                if piece:
                    await asyncio.to_thread(self.hashed.update, piece)
                    self.size_bytes += len(piece)
                    yield piece
        except GeneratorExit:
            raise
        except BaseException as error:
            self.failure = error
            raise


async def _pieces(found: Any) -> AsyncIterator[bytes]:
    with _translated():
        async for piece in found.stream():
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
