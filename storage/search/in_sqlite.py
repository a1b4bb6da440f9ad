"""Words in FTS5: its table of terms tells in how many chunks a word stands, its table of places in which. Every word
is written with its collection's number before it, so that each collection has its own statistics, and its own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import bindparam, text

from storage.database import Database, Transaction
from storage.search.engine import Indexed
from storage.search.image import Images, View
from storage.search.in_numpy import NumpyVectors
from storage.search.numbers import Collection
from storage.search.words import Numbers, Postings, Scores

INSERT = text("INSERT INTO search_words (rowid, words) VALUES (:chunk_no, :words)")
DELETE = text("DELETE FROM search_words WHERE rowid IN :chunk_nos").bindparams(bindparam("chunk_nos", expanding=True))
FREQUENCIES = text("SELECT term, doc FROM search_words_terms WHERE term IN :terms").bindparams(
    bindparam("terms", expanding=True)
)
PLACES = "SELECT group_concat(doc) AS places FROM search_words_places WHERE term = :term{place}"


COMMON_CHUNKS = 1_000
"""A word in so many chunks is counted anew only when its collection has grown or shrunk by `DRIFT`: that takes time,
and for what the number decides, which words of a query are read, it need not be exact."""
DRIFT = 0.1
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class SqliteEngine:
    """`common` are the numbers of common words, each with how many chunks the collection then had."""

    database: Database
    images: Images
    common: dict[str, tuple[int, int]] = field(default_factory=dict)

    async def insert(self, tx: Transaction, collection: Collection, chunks: Sequence[Indexed]) -> None:
        await NumpyVectors(self.images).insert(tx, collection, chunks)
        rows = [{"chunk_no": chunk.chunk_no, "words": _written(collection, chunk.counts)} for chunk in chunks]
        await tx.execute(INSERT, rows)

    async def remove(self, tx: Transaction, chunk_nos: Sequence[int]) -> None:
        await NumpyVectors(self.images).remove(tx, chunk_nos)
        await tx.execute(DELETE, {"chunk_nos": list(chunk_nos)})

    async def nearest(
        self, collection: Collection, vector: object, admitted: Numbers | None, depth: int
    ) -> tuple[Numbers, Scores]:
        return await NumpyVectors(self.images).nearest(collection, vector, admitted, depth)

    async def frequencies(self, collection: Collection, words: Sequence[str]) -> Mapping[str, int]:
        terms = {_term(collection, word): word for word in words}
        known = {term: self.common[term][0] for term in terms if self._is_current(term, collection)}
        unknown = [term for term in terms if term not in known]
        if unknown:
            async with self.database.reading() as connection:
                counted = {row.term: row.doc for row in await connection.execute(FREQUENCIES, {"terms": unknown})}
            self._remember(counted, collection)
            known |= counted
        return {terms[term]: count for term, count in known.items()}

    def _is_current(self, term: str, collection: Collection) -> bool:
        _, chunks = self.common.get(term, (0, 0))
        return bool(chunks) and abs(collection.chunks - chunks) <= DRIFT * chunks

    def _remember(self, counted: Mapping[str, int], collection: Collection) -> None:
        if len(self.common) > REMEMBERED:
            self.common.clear()
        self.common.update(
            {term: (count, collection.chunks) for term, count in counted.items() if count >= COMMON_CHUNKS}
        )

    async def postings(
        self, collection: Collection, words: Sequence[str]
    ) -> tuple[Sequence[Postings], Numbers, Numbers]:
        query = " UNION ALL ".join(PLACES.format(place=place) for place in range(len(words)))
        terms = {f"term{place}": _term(collection, word) for place, word in enumerate(words)}
        async with self.database.reading() as connection:
            found = (await connection.execute(text(query), terms)).scalars().all()
        view = await self.images.get(collection)
        return await asyncio.to_thread(_read, found, view)


def _read(found: Sequence[str | None], view: View) -> tuple[list[Postings], Numbers, Numbers]:
    """`found` are lists of chunks, with one more for each time that the word stands there. What was added since, or
    removed, is left out."""
    postings = []
    for places in found:
        all_nos = np.fromstring(places or "", np.int64, sep=",")
        chunk_nos, counts = np.unique(all_nos, return_counts=True)
        rows = np.minimum(np.searchsorted(view.chunk_nos, chunk_nos), max(0, len(view.chunk_nos) - 1))
        known = view.chunk_nos[rows] == chunk_nos if len(view.chunk_nos) else np.zeros(len(chunk_nos), np.bool_)
        postings.append(Postings(chunk_nos[known], counts[known].astype(np.int64), view.words[rows[known]]))
    return postings, view.chunk_nos, view.document_nos


def _written(collection: Collection, counts: Mapping[str, int]) -> str:
    return " ".join(" ".join([_term(collection, word)] * count) for word, count in counts.items())


def _term(collection: Collection, word: str) -> str:
    return f"{collection.no}_{word}"
