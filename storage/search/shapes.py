"""What is put into an index, asked of it, and found in it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from storage.search.filters import Filter

Vector: TypeAlias = "array[float]"
"""Single-precision numbers; of any length but zero, which similarity does not see."""


@dataclass(frozen=True, slots=True)
class NewChunk:
    """`start` and `stop` are character offsets in the document's text; `page` and `slide` count from 1. `extra` is
    kept and given back."""

    text: str
    vector: Vector
    tokens: int = 0
    start: int = 0
    stop: int = 0
    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    extra: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The one at `position`, from 0, of its document."""

    no: int
    document_no: int
    position: int
    text: str
    tokens: int
    start: int
    stop: int
    page: int | None
    slide: int | None
    sheet: str | None
    extra: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Query:
    """By `vector`, by `texts` (whose words count together), or by both, which are then merged with these weights by
    reciprocal rank, or by score. Chunks that score less than `threshold` are not found, nor those of documents that
    `filter` does not let through."""

    collection_no: int
    limit: int
    texts: Sequence[str] = ()
    vector: Vector | None = None
    filter: Filter | None = None
    threshold: float = 0.0
    vector_weight: float = 1.0
    words_weight: float = 1.0
    is_by_score: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """`score` is in 0..1: by vectors the cosine, by words BM25 as x / (1 + x), by both their
    weighted mean, or the share that the sum of reciprocal ranks has of the best there could be."""

    chunk: Chunk
    score: float
