"""Finding chunks in one store, or in several."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from handlers.core.call import Call
from handlers.core.embeddings import EmbedAsk, embed
from handlers.core.errors import Invalid
from handlers.core.retrieval.rewriting import rewrite
from handlers.core.retrieval.stores import get_store, touch_store
from providers.embeddings.interface import Vector
from storage.repositories.vector_stores import StoreFile, VectorStore
from storage.search import Attribute, Chunk, Every, Filter, Query, Some

__all__ = [
    "MODES",
    "Attribute",
    "Every",
    "Filter",
    "Hit",
    "Hits",
    "SearchAsk",
    "Some",
    "search_store",
    "search_stores",
]

Mode: TypeAlias = Literal["vector", "keyword", "hybrid"]
MODES: Mapping[str, Mode] = {"vector": "vector", "keyword": "keyword", "hybrid": "hybrid"}
MOST_RESULTS = 200
MOST_TEXTS = 16
LONGEST_TEXT = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAsk:
    """`texts` are one question in one or several wordings. `vector_weight` and `words_weight` are for `hybrid`, which
    merges by reciprocal rank, or by score; `threshold` is on the score, in 0..1."""

    texts: Sequence[str]
    limit: int = 10
    mode: Mode = "hybrid"
    filter: Filter | None = None
    threshold: float = 0.0
    is_rewritten: bool = False
    vector_weight: float = 1.0
    words_weight: float = 1.0
    is_by_score: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """`file` is None for a chunk that came without one."""

    store: VectorStore
    chunk: Chunk
    score: float
    file: StoreFile | None


@dataclass(frozen=True, slots=True)
class Hits:
    """`texts` are what was looked for in the end; `has_more` when there were more than asked for."""

    texts: Sequence[str]
    found: Sequence[Hit]
    has_more: bool


async def search_store(store_id: str, ask: SearchAsk, call: Call) -> Hits:
    """Raises `NotFound`, `Invalid`, and what embedding the question raises."""
    return await search_stores([store_id], ask, call)


async def search_stores(store_ids: Sequence[str], ask: SearchAsk, call: Call) -> Hits:
    """The best of all of them, first. Ranks in several stores do not compare, but scores do."""
    _check(ask)
    stores = [await get_store(store_id, call) for store_id in dict.fromkeys(store_ids)]
    ask = replace(ask, is_by_score=ask.is_by_score or len(stores) > 1)
    texts = [rewrite(text) for text in ask.texts] if ask.is_rewritten else list(ask.texts)
    vectors = await _embed(stores, texts, call) if ask.mode != "keyword" else {}
    hits: list[Hit] = []
    for store in stores:
        hits += await _search(store, ask, (texts, vectors.get(_space(store))), call)
        await touch_store(store, call)
    hits.sort(key=lambda hit: -hit.score)
    return Hits(texts, hits[: ask.limit], len(hits) > ask.limit)


async def _search(
    store: VectorStore, ask: SearchAsk, wanted: tuple[Sequence[str], Vector | None], call: Call
) -> list[Hit]:
    """One more than is asked for, if there is one."""
    retrieval = call.services.retrieval
    texts, vector = wanted
    query = Query(
        collection_no=store.collection_no,
        limit=ask.limit + 1,
        texts=texts if ask.mode != "vector" else (),
        vector=vector,
        filter=ask.filter,
        threshold=ask.threshold,
        vector_weight=ask.vector_weight,
        words_weight=ask.words_weight,
        is_by_score=ask.is_by_score,
    )
    found = await retrieval.index.search(query)
    files = await retrieval.files.by_document(store.project_id, {one.chunk.document_no for one in found})
    return [Hit(store, one.chunk, one.score, files.get(one.chunk.document_no)) for one in found]


async def _embed(stores: Sequence[VectorStore], texts: Sequence[str], call: Call) -> Mapping[tuple[str, int], Vector]:
    """The question's vector, for each model."""
    vectors = {}
    for model, dimensions in dict.fromkeys(_space(store) for store in stores):
        ask = EmbedAsk(model=model, texts=texts, dimensions=dimensions, truncate=True, param="query")
        vectors[model, dimensions] = _mean((await embed(ask, call)).vectors)
    return vectors


def _space(store: VectorStore) -> tuple[str, int]:
    return store.embedding_model, store.dimensions


def _mean(vectors: Sequence[Vector]) -> Vector:
    if len(vectors) == 1:
        return vectors[0]
    return array("f", (sum(numbers) / len(vectors) for numbers in zip(*vectors, strict=True)))


def _check(ask: SearchAsk) -> None:
    if not 0 < len(ask.texts) <= MOST_TEXTS or not all(text.strip() for text in ask.texts):
        raise Invalid(f"query must be a text, or 1 to {MOST_TEXTS} texts, none of them empty", param="query")
    if sum(map(len, ask.texts)) > LONGEST_TEXT:
        raise Invalid(f"query must have {LONGEST_TEXT} characters at most", param="query")
    if not 0 < ask.limit <= MOST_RESULTS:
        raise Invalid(f"max_num_results must be between 1 and {MOST_RESULTS}", param="max_num_results")
