"""A query's course: by vectors, by words, or by both at once, and then one list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from storage.search.engine import Engine, affordable
from storage.search.in_numpy import is_among
from storage.search.numbers import Collection
from storage.search.preparing import unit
from storage.search.shapes import Query
from storage.search.words import Numbers, Scores, Statistics, query_words, rank

DEPTH = 4
LEAST_DEPTH = 100
"""How many chunks each of the two lists has that are merged: so many times what is asked for, and these at least."""
LEAST_SHARE = 0.5
"""Of what the words of a query weigh: chunks that hold less of them say nothing against the vectors' order, however
high they rank among those that hold any."""
RANK_DAMPENING = 60
"""Of reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009)."""
DIGITS = 6
"""Of scores; what differs less is alike, on whatever database."""

Ranked = list[tuple[int, float]]
"""Chunks and scores, the best first."""


async def search(engine: Engine, collection: Collection, query: Query, admitted: Sequence[int] | None) -> Ranked:
    documents = None if admitted is None else np.array(admitted, np.int64)
    if documents is not None and not len(documents):
        return []
    is_hybrid = query.vector is not None and bool(query.texts)
    depth = max(LEAST_DEPTH, DEPTH * query.limit) if is_hybrid else query.limit
    if not is_hybrid:
        leg = _by_vector if query.vector is not None else _by_words
        found = await leg(engine, collection, query, (documents, depth))
    else:
        async with asyncio.TaskGroup() as group:
            near = group.create_task(_by_vector(engine, collection, query, (documents, depth)))
            said = group.create_task(_by_words(engine, collection, query, (documents, depth)))
        found = _merge(near.result(), said.result(), query)
    return [(no, score) for no, score in found if score >= query.threshold][: query.limit]


async def _by_vector(
    engine: Engine, collection: Collection, query: Query, bounds: tuple[Numbers | None, int]
) -> Ranked:
    vector = unit(query.vector)
    if len(vector) != collection.dimensions:
        raise ValueError(f"the vector has {len(vector)} dimensions, and not {collection.dimensions}")
    chunk_nos, scores = await engine.nearest(collection, vector, *bounds)
    return _best(chunk_nos, np.clip(scores, 0.0, 1.0), bounds[1])


async def _by_words(engine: Engine, collection: Collection, query: Query, bounds: tuple[Numbers | None, int]) -> Ranked:
    admitted, depth = bounds
    words = query_words(query.texts)
    known = await engine.frequencies(collection, words) if words else {}
    if not known:
        return []
    postings, chunk_nos, document_nos = await engine.postings(collection, affordable(known))

    def ranked() -> Ranked:
        ranking = rank(postings, len(words) - len(known), Statistics(collection.chunks, collection.words))
        kept = ranking.shares >= (LEAST_SHARE if query.vector is not None else 0.0)
        if admitted is not None:
            kept &= is_among(document_nos[np.searchsorted(chunk_nos, ranking.chunk_nos)], admitted)
        scores = ranking.scores[kept]
        return _best(ranking.chunk_nos[kept], scores / (1 + scores), depth)

    return await asyncio.to_thread(ranked)


def _best(chunk_nos: Numbers, scores: Scores, depth: int) -> Ranked:
    rounded = np.round(scores, DIGITS)
    order: Any = np.lexsort((chunk_nos, -rounded))[:depth]
    return list(zip(chunk_nos[order].tolist(), rounded[order].tolist(), strict=True))


def _merge(near: Ranked, said: Ranked, query: Query) -> Ranked:
    merged: dict[int, float] = {}
    for found, weight in ((near, query.vector_weight), (said, query.words_weight)):
        for place, (no, score) in enumerate(found, start=1):
            merged[no] = merged.get(no, 0.0) + weight * (score if query.is_by_score else 1 / (RANK_DAMPENING + place))
    most = query.vector_weight + query.words_weight
    if not query.is_by_score:
        most /= RANK_DAMPENING + 1
    scored = [(no, round(score / most, DIGITS)) for no, score in merged.items()] if most > 0 else []
    return sorted(scored, key=lambda one: (-one[1], one[0]))
