"""The vectors of collections in memory, each in one matrix, loaded when they are first asked for."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import select

from storage.database import Database
from storage.search.numbers import Collection
from storage.search.words import Numbers
from storage.tables.search import SearchVectorRow
from storage.tables.types import core

VECTORS = core(SearchVectorRow)
ROWS_AT_ONCE = 4000
FACTS = 3
"""Numbers kept beside each vector."""


@dataclass(frozen=True, slots=True)
class View:
    """Chunks in ascending order of their numbers; it stays as it is, whatever is added behind it."""

    vectors: Any
    chunk_nos: Numbers
    document_nos: Numbers
    words: Numbers


@dataclass(slots=True)
class Image:
    """The first `count` rows are chunks; behind them is room to grow."""

    dimensions: int
    vectors: Any
    facts: Any
    count: int = 0
    additions: int = -1
    removals: int = -1
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def empty(cls, dimensions: int) -> Image:
        return cls(dimensions, np.empty((0, dimensions), np.float32), np.empty((FACTS, 0), np.int64))

    @property
    def bytes(self) -> int:
        return int(self.vectors.nbytes + self.facts.nbytes)

    @property
    def last_no(self) -> int:
        return int(self.facts[0, self.count - 1]) if self.count else 0

    def view(self) -> View:
        return View(self.vectors[: self.count], *self.facts[:, : self.count])

    def reserve(self, rows: int) -> None:
        """Room for so many in all."""
        if len(self.vectors) >= rows:
            return
        vectors = np.empty((rows, self.dimensions), np.float32)
        facts = np.empty((FACTS, rows), np.int64)
        vectors[: self.count], facts[:, : self.count] = self.vectors[: self.count], self.facts[:, : self.count]
        self.vectors, self.facts = vectors, facts

    def append(self, rows: Any) -> None:
        end = self.count + len(rows)
        if end > len(self.vectors):
            self.reserve(max(end, self.count * 5 // 4))
        joined = b"".join(row.vector for row in rows)
        self.vectors[self.count : end] = np.frombuffer(joined, "<f4").reshape(len(rows), self.dimensions)
        facts = [(row.chunk_no, row.document_no, row.words) for row in rows]
        self.facts[:, self.count : end] = np.array(facts, np.int64).T
        self.count = end

    def keep(self, chunk_nos: Numbers) -> None:
        """Only these."""
        stays = np.isin(self.facts[0, : self.count], chunk_nos, assume_unique=True)
        self.vectors, self.facts = self.vectors[: self.count][stays], self.facts[:, : self.count][:, stays]
        self.count = len(self.vectors)


class Images:
    """Those that were asked for last, in no more than `most_bytes` in all, but for the very last one."""

    def __init__(self, database: Database, most_bytes: int) -> None:
        self._database = database
        self._most_bytes = most_bytes
        self._images: OrderedDict[int, Image] = OrderedDict()

    @property
    def bytes(self) -> int:
        return sum(image.bytes for image in self._images.values())

    async def get(self, collection: Collection) -> View:
        """As it is in the database, or was when `collection` was read."""
        image = self._images.setdefault(collection.no, Image.empty(collection.dimensions))
        self._images.move_to_end(collection.no)
        async with image.lock:
            if image.removals < collection.removals:
                await self._forget(image, collection)
            if image.additions < collection.additions:
                await self._load(image, collection)
            view = image.view()
        while self.bytes > self._most_bytes and len(self._images) > 1:
            self._images.popitem(last=False)
        return view

    async def _load(self, image: Image, collection: Collection) -> None:
        """What came behind the last that is here."""
        if not image.count:
            await asyncio.to_thread(image.reserve, collection.chunks)
        columns = (VECTORS.c.chunk_no, VECTORS.c.document_no, VECTORS.c.words, VECTORS.c.vector)
        rows = None
        while rows is None or len(rows) == ROWS_AT_ONCE:
            start = max(image.last_no + 1, collection.first_chunk_no)
            query = select(*columns).where(VECTORS.c.chunk_no >= start, VECTORS.c.chunk_no < collection.end_chunk_no)
            async with self._database.reading() as connection:
                rows = (await connection.execute(query.order_by(VECTORS.c.chunk_no).limit(ROWS_AT_ONCE))).all()
            if rows:
                await asyncio.to_thread(image.append, rows)
        image.additions = collection.additions

    async def _forget(self, image: Image, collection: Collection) -> None:
        if image.count:
            within = VECTORS.c.chunk_no.between(collection.first_chunk_no, image.last_no)
            async with self._database.reading() as connection:
                left = (await connection.execute(select(VECTORS.c.chunk_no).where(within))).scalars().all()
            await asyncio.to_thread(lambda: image.keep(np.array(left, np.int64)))
        image.removals = collection.removals
