"""The bytes that rows refer to, into an archive and out of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import IO

import orjson

from storage.blobs.interface import Blobs
from storage.copying.archive import PIECE_BYTES, ArchiveReader, ArchiveWriter, BlobCount, PartWriter, in_thread
from storage.errors import CopyRefused

PACK_BYTES = 256 * 2**20
PACK_BLOBS = 2_000
"""A pack is closed when it has so much."""
TOLD = 20


@dataclass(slots=True)
class Packing:
    """`missing` are some of the keys that were not in the store."""

    archive: ArchiveWriter
    store: Blobs
    packs: int = 0
    count: int = 0
    size_bytes: int = 0
    absent: int = 0
    missing: list[str] = field(default_factory=list)

    async def pack(self, keys: Iterable[str]) -> BlobCount:
        rest = iter(keys)
        key = next(rest, None)
        while key is not None:
            self.packs += 1
            lines: list[bytes] = []
            with self.archive.part(f"blobs/{self.packs:05}.pack", is_packed=False) as part:
                while key is not None and part.size_bytes < PACK_BYTES and len(lines) < PACK_BLOBS:
                    lines += await self._add(part, key)
                    key = next(rest, None)
            with self.archive.part(f"blobs/{self.packs:05}.jsonl") as part:
                part.write(b"".join(lines))
        return BlobCount(self.count, self.size_bytes, self.absent)

    async def _add(self, part: PartWriter, key: str) -> list[bytes]:
        pieces = await self.store.get(key)
        if pieces is None:
            self.absent += 1
            self.missing += [key] if self.absent <= TOLD else []
            return []
        digest, size_bytes = hashlib.sha256(), 0
        async for piece in pieces:
            digest.update(piece)
            size_bytes += len(piece)
            await asyncio.to_thread(part.write, piece)
        self.count += 1
        self.size_bytes += size_bytes
        return [orjson.dumps([key, size_bytes, digest.hexdigest()], option=orjson.OPT_APPEND_NEWLINE)]


async def unpack(archive: ArchiveReader, store: Blobs) -> int:
    """Answers how many. One that is in the store already is left there, so that this may be done twice; it must be the
    same one. Raises `CopyRefused`."""
    count = 0
    async for name, index in in_thread(archive.blobs()):
        with archive.opened(name) as opened:
            for key, size_bytes, sha256 in index:
                if await store.size(key) is None:
                    put = await store.put(key, _taken(opened, size_bytes))
                    found = (put.size_bytes, put.sha256)
                else:
                    await asyncio.to_thread(_skip, opened, size_bytes)
                    found = await _measured(store, key)
                if found != (size_bytes, sha256):
                    raise CopyRefused(f"the blob {key} in the store is not the one of the backup")
                count += 1
    return count


async def _taken(opened: IO[bytes], size_bytes: int) -> AsyncIterator[bytes]:
    left = size_bytes
    while left and (piece := await asyncio.to_thread(opened.read, min(PIECE_BYTES, left))):
        left -= len(piece)
        yield piece


def _skip(opened: IO[bytes], size_bytes: int) -> None:
    opened.seek(size_bytes, 1)


async def _measured(store: Blobs, key: str) -> tuple[int, str]:
    digest, size_bytes = hashlib.sha256(), 0
    pieces = await store.get(key)
    if pieces is not None:
        async for piece in pieces:
            digest.update(piece)
            size_bytes += len(piece)
    return size_bytes, digest.hexdigest()
