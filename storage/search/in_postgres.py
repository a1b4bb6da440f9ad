"""Words in tsvector, vectors in pgvector where the database has it. Every word is written with its collection's number
before it, as on SQLite. How often a word stands somewhere is read out of `ts_rank`: with all weights one, a word alone
that stands there n times gets (1 + 1/4 + ... + 1/n²) / 1.64493406685."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import text

from storage.database import Database, Transaction
from storage.search.engine import Indexed
from storage.search.in_numpy import NumpyVectors
from storage.search.numbers import Collection
from storage.search.words import MOST_ALIKE, Numbers, Postings, Scores

INSERT_WORDS = text(
    "INSERT INTO search_words (chunk_no, document_no, length, words)"
    " VALUES (:chunk_no, :document_no, :length, CAST(CAST(:words AS text) AS tsvector))"
)
DELETE_WORDS = text("DELETE FROM search_words WHERE chunk_no = ANY(CAST(:chunk_nos AS bigint[]))")
FREQUENCIES = text(
    "SELECT t.term, (SELECT count(*) FROM search_words w WHERE w.words @@ CAST(t.term AS tsquery)) AS chunks"
    " FROM unnest(CAST(:terms AS text[])) AS t (term)"
)
POSTINGS = text(
    "SELECT chunk_no, document_no, length, ts_rank('{1,1,1,1}', words, CAST(CAST(:term AS text) AS tsquery)) AS rank"
    " FROM search_words WHERE words @@ CAST(CAST(:term AS text) AS tsquery) ORDER BY chunk_no"
)
INSERT_VECTORS = text(
    "INSERT INTO search_pgvectors (chunk_no, document_no, vector)"
    " VALUES (:chunk_no, :document_no, CAST(CAST(:vector AS text) AS vector))"
)
DELETE_VECTORS = text("DELETE FROM search_pgvectors WHERE chunk_no = ANY(CAST(:chunk_nos AS bigint[]))")
NEAREST = (
    "SELECT chunk_no, -(vector <#> CAST(CAST(:vector AS text) AS vector)) AS score FROM search_pgvectors"
    " WHERE chunk_no >= :first AND chunk_no < :end{filter} ORDER BY score DESC, chunk_no LIMIT :depth"
)
ADMITTED = " AND document_no = ANY(CAST(:admitted AS bigint[]))"
HAS_PGVECTORS = text("SELECT to_regclass('search_pgvectors') IS NOT NULL")

RANKS = np.cumsum(1.0 / np.arange(1, MOST_ALIKE + 1, dtype=np.float64) ** 2) / 1.64493406685
"""By how often a word stands there, from once on."""
BETWEEN_RANKS = (RANKS[1:] + RANKS[:-1]) / 2


@dataclass(frozen=True, slots=True)
class PgVectors:
    database: Database

    async def insert(self, tx: Transaction, _: Collection, chunks: Sequence[Indexed]) -> None:
        rows = [
            {"chunk_no": chunk.chunk_no, "document_no": chunk.document_no, "vector": _literal(chunk.vector)}
            for chunk in chunks
        ]
        await tx.execute(INSERT_VECTORS, rows)

    async def remove(self, tx: Transaction, chunk_nos: Sequence[int]) -> None:
        await tx.execute(DELETE_VECTORS, {"chunk_nos": list(chunk_nos)})

    async def nearest(
        self, collection: Collection, vector: Any, admitted: Numbers | None, depth: int
    ) -> tuple[Numbers, Scores]:
        bounds = {"first": collection.first_chunk_no, "end": collection.end_chunk_no, "depth": depth}
        parameters: dict[str, Any] = {"vector": _literal(vector), **bounds}
        if admitted is not None:
            parameters["admitted"] = admitted.tolist()
        query = text(NEAREST.format(filter="" if admitted is None else ADMITTED))
        async with self.database.reading() as connection:
            rows = (await connection.execute(query, parameters)).all()
        return np.array([row.chunk_no for row in rows], np.int64), np.array([row.score for row in rows], np.float64)


@dataclass(frozen=True, slots=True)
class PostgresEngine:
    database: Database
    vectors: PgVectors | NumpyVectors

    async def insert(self, tx: Transaction, collection: Collection, chunks: Sequence[Indexed]) -> None:
        await self.vectors.insert(tx, collection, chunks)
        rows = [
            {
                "chunk_no": chunk.chunk_no,
                "document_no": chunk.document_no,
                "length": chunk.length,
                "words": _written(collection, chunk.counts),
            }
            for chunk in chunks
        ]
        await tx.execute(INSERT_WORDS, rows)

    async def remove(self, tx: Transaction, chunk_nos: Sequence[int]) -> None:
        await self.vectors.remove(tx, chunk_nos)
        await tx.execute(DELETE_WORDS, {"chunk_nos": list(chunk_nos)})

    async def nearest(
        self, collection: Collection, vector: Any, admitted: Numbers | None, depth: int
    ) -> tuple[Numbers, Scores]:
        return await self.vectors.nearest(collection, vector, admitted, depth)

    async def frequencies(self, collection: Collection, words: Sequence[str]) -> Mapping[str, int]:
        terms = {_term(collection, word): word for word in words}
        async with self.database.reading() as connection:
            rows = await connection.execute(FREQUENCIES, {"terms": list(terms)})
            return {terms[row.term]: row.chunks for row in rows if row.chunks}

    async def postings(
        self, collection: Collection, words: Sequence[str]
    ) -> tuple[Sequence[Postings], Numbers, Numbers]:
        postings, documents = [], [np.zeros((2, 0), np.int64)]
        async with self.database.reading() as connection:
            for word in words:
                rows = (await connection.execute(POSTINGS, {"term": _term(collection, word)})).all()
                columns = np.array([(row.chunk_no, row.document_no, row.length) for row in rows], np.int64)
                chunk_nos, document_nos, lengths = columns.reshape(-1, 3).T
                ranks = np.array([row.rank for row in rows], np.float64)
                postings.append(Postings(chunk_nos, np.searchsorted(BETWEEN_RANKS, ranks) + 1, lengths))
                documents.append(np.stack([chunk_nos, document_nos]))
        chunk_nos, firsts = np.unique(np.concatenate(documents, axis=1)[0], return_index=True)
        return postings, chunk_nos, np.concatenate(documents, axis=1)[1][firsts]


async def has_pgvectors(database: Database) -> bool:
    async with database.reading() as connection:
        return bool(await connection.scalar(HAS_PGVECTORS))


def _literal(vector: Any) -> str:
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def _written(collection: Collection, counts: Mapping[str, int]) -> str:
    """The places are made up: only how many there are is asked for."""
    places = [",".join(map(str, range(1, count + 1))) for count in counts.values()]
    return " ".join(f"{_term(collection, word)}:{at}" for word, at in zip(counts, places, strict=True))


def _term(collection: Collection, word: str) -> str:
    return f"{collection.no}_{word}"
