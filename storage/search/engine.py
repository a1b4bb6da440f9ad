"""What a database does for searching: it keeps words and vectors, and tells who has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from storage.database import Transaction
from storage.search.numbers import Collection
from storage.search.words import Numbers, Postings, Scores

MOST_POSTINGS = 20_000
"""How many are read for a query: its rarest words go first, and the others only as far as there is room."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A chunk as the indexes see it: its words with how often each stands there, and a vector of unit length."""

    chunk_no: int
    document_no: int
    counts: Mapping[str, int]
    length: int
    vector: np.ndarray[Any, np.dtype[np.float32]]


class Engine(Protocol):
    async def insert(self, tx: Transaction, collection: Collection, chunks: Sequence[Indexed]) -> None: ...

    async def remove(self, tx: Transaction, chunk_nos: Sequence[int]) -> None: ...

    async def nearest(
        self, collection: Collection, vector: Any, admitted: Numbers | None, depth: int
    ) -> tuple[Numbers, Scores]:
        """At most `depth` chunks of the documents `admitted` (in ascending order; None is all), in any order, and the
        cosine of each."""
        ...

    async def frequencies(self, collection: Collection, words: Sequence[str]) -> Mapping[str, int]:
        """In how many chunks each of the words stands, as far as it stands in any."""
        ...

    async def postings(
        self, collection: Collection, words: Sequence[str]
    ) -> tuple[Sequence[Postings], Numbers, Numbers]:
        """One for each of the words, and then chunks with the document of each, in ascending order: at least all those
        that the words stand in."""
        ...


def affordable(frequencies: Mapping[str, int]) -> list[str]:
    """The rarest words, together in no more than `MOST_POSTINGS` chunks, but one in any case."""
    kept: list[str] = []
    total = 0
    for word, count in sorted(frequencies.items(), key=lambda item: (item[1], item[0])):
        total += count
        if kept and total > MOST_POSTINGS:
            break
        kept.append(word)
    return kept
