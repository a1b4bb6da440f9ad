"""Chunks made ready for the indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from storage.search.engine import Indexed
from storage.search.numbers import Collection
from storage.search.shapes import NewChunk
from storage.search.words import counted, words_of


@dataclass(frozen=True, slots=True)
class Prepared:
    """`length` is in words."""

    counts: Mapping[str, int]
    length: int
    vector: Any

    def numbered(self, chunk_no: int, document_no: int, collection: Collection) -> Indexed:
        """Raises `ValueError` for a vector that does not fit."""
        if len(self.vector) != collection.dimensions:
            raise ValueError(f"the vector has {len(self.vector)} dimensions, and not {collection.dimensions}")
        return Indexed(chunk_no, document_no, self.counts, self.length, self.vector)


def prepare(chunks: Sequence[NewChunk]) -> list[Prepared]:
    prepared = []
    for chunk in chunks:
        words = words_of(chunk.text)
        prepared.append(Prepared(counted(words), len(words), unit(chunk.vector)))
    return prepared


def unit(vector: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Of length one, but for a vector of zeros."""
    numbers = np.asarray(vector, np.float32)
    length = float(np.linalg.norm(numbers.astype(np.float64)))
    return numbers / np.float32(length) if length else numbers
