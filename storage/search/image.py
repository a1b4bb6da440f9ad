"""The vectors of collections in memory, each in one matrix, loaded when they are first asked for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import select

from storage.database import Database
from storage.search.words import Numbers
from storage.tables.search import SearchChunkRow
from storage.tables.types import core

CHUNKS = core(SearchChunkRow)
ROWS_AT_ONCE = 4000
BYTES_PER_CHUNK = 24
"""Beside its vector: three numbers."""


@dataclass(slots=True)
class Image:
    """The first `count` rows are chunks in ascending order of their numbers; behind them is room to grow. A view of
    them stays as it is, whatever is added behind it."""

    dimensions: int
    revision: int = -1
    removals: int = -1
    count: int = 0
    vectors: Any = None
    facts: Any = None
    """Columns: a chunk's number, its document's, and how many words it has."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def bytes(self) -> int:
        return 0 if self.vectors is None else self.vectors.nbytes + self.facts.nbytes

    @property
    def last_no(self) -> int:
        return int(self.facts[0, self.count - 1]) if self.count else 0

    def view(self) -> View:
        if self.vectors is None:
            self.reserve(0)
        return View(self.vectors[: self.count], *self.facts[:, : self.count])

    def empty(self) -> None:
        self.count, self.vectors, self.facts = 0, None, None

    def reserve(self, rows: int) -> None:
        """Room for so many in all; what readers hold is left to them."""
        if self.vectors is not None and len(self.vectors) >= rows:
            return
        vectors = np.empty((rows, self.dimensions), np.float32)
        facts = np.empty((3, rows), np.int64)
        if self.count:
            vectors[: self.count], facts[:, : self.count] = self.vectors[: self.count], self.facts[:, : self.count]
        self.vectors, self.facts = vectors, facts

    def append(self, rows: Any) -> None:
        if self.count + len(rows) > (0 if self.vectors is None else len(self.vectors)):
            self.reserve(max(self.count + len(rows), self.count * 5 // 4))
        where = slice(self.count, self.count + len(rows))
        joined = b"".join(row.vector for row in rows)
        self.vectors[where] = np.frombuffer(joined, "<f4").reshape(len(rows), self.dimensions)
        self.facts[:, where] = np.array([(row.no, row.document_no, row.words) for row in rows], np.int64).T
        self.count += len(rows)

    def keep(self, chunk_nos: Numbers) -> None:
        """Only these, of which there may be some that are not here yet."""
        view = self.view()
        stays = np.isin(view.chunk_nos, chunk_nos, assume_unique=True)
        self.vectors, self.facts = view.vectors[stays], self.facts[:, : self.count][:, stays]
        self.count = len(self.vectors)


@dataclass(frozen=True, slots=True)
class View:
    vectors: Any
    chunk_nos: Numbers
    document_nos: Numbers
    words: Numbers


class Images:
    """Those that were asked for last, in no more memory than `most_bytes` in all, but for the very last one."""

    def __init__(self, database: Database, most_bytes: int) -> None:
        self._database = database
        self._most_bytes = most_bytes
        self._images: OrderedDict[int, Image] = OrderedDict()

    @property
    def bytes(self) -> int:
        return sum(image.bytes for image in self._images.values())

    async def get(self, collection: Any) -> View:
        """As it stands in the row of `search_collections`, or later."""
        image = self._images.get(collection.no)
        if image is None:
            image = self._images[collection.no] = Image(collection.dimensions)
        self._images.move_to_end(collection.no)
        async with image.lock:
            if image.revision < collection.revision:
                await self._refresh(image, collection)
            view = image.view()
        self._drop()
        return view

    async def _refresh(self, image: Image, collection: Any) -> None:
        if image.removals != collection.removals:
            if image.count:
                await self._forget(image, collection.no)
            image.removals = collection.removals
        if not image.count:
            await asyncio.to_thread(image.reserve, collection.chunks)
        columns = (CHUNKS.c.no, CHUNKS.c.document_no, CHUNKS.c.words, CHUNKS.c.vector)
        while True:
            query = select(*columns).where(CHUNKS.c.collection_no == collection.no, CHUNKS.c.no > image.last_no)
            async with self._database.reading() as connection:
                rows = (await connection.execute(query.order_by(CHUNKS.c.no).limit(ROWS_AT_ONCE))).all()
            if rows:
                await asyncio.to_thread(image.append, rows)
            if len(rows) < ROWS_AT_ONCE:
                break
        image.revision = collection.revision

    async def _forget(self, image: Image, collection_no: int) -> None:
        query = select(CHUNKS.c.no).where(CHUNKS.c.collection_no == collection_no, CHUNKS.c.no <= image.last_no)
        async with self._database.reading() as connection:
            left = (await connection.execute(query.order_by(CHUNKS.c.no))).scalars().all()
        await asyncio.to_thread(lambda: image.keep(np.array(left, np.int64)))

    def _drop(self) -> None:
        while self.bytes > self._most_bytes and len(self._images) > 1:
            _, dropped = self._images.popitem(last=False)
            dropped.empty()
            dropped.revision = dropped.removals = -1
