"""Vectors that are kept as bytes in any database, and compared in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import delete

from storage.database import Transaction
from storage.search.engine import Indexed
from storage.search.image import VECTORS, Images, View
from storage.search.numbers import Collection
from storage.search.words import Numbers, Scores


@dataclass(frozen=True, slots=True)
class NumpyVectors:
    images: Images

    async def insert(self, tx: Transaction, collection: Collection, chunks: Sequence[Indexed]) -> None:
        rows = [
            {
                "chunk_no": chunk.chunk_no,
                "project_id": collection.project_id,
                "document_no": chunk.document_no,
                "words": chunk.length,
                "vector": chunk.vector.astype("<f4").tobytes(),
            }
            for chunk in chunks
        ]
        await tx.execute(VECTORS.insert(), rows)

    async def remove(self, tx: Transaction, chunk_nos: Sequence[int]) -> None:
        await tx.execute(delete(VECTORS).where(VECTORS.c.chunk_no.in_(chunk_nos)))

    async def nearest(
        self, collection: Collection, vector: Any, admitted: Numbers | None, depth: int
    ) -> tuple[Numbers, Scores]:
        view = await self.images.get(collection)
        return await asyncio.to_thread(_nearest, view, vector, admitted, depth)


def is_among(numbers: Numbers, wanted: Numbers) -> Any:
    """A mask of `numbers`; `wanted` are in ascending order."""
    if not len(wanted):
        return np.zeros(len(numbers), np.bool_)
    places = np.minimum(np.searchsorted(wanted, numbers), len(wanted) - 1)
    return wanted[places] == numbers


def _nearest(view: View, vector: Any, admitted: Numbers | None, depth: int) -> tuple[Numbers, Scores]:
    scores = view.vectors @ vector
    if admitted is not None:
        scores[~is_among(view.document_nos, admitted)] = -np.inf
    skipped = max(0, len(scores) - depth)
    best = np.argpartition(scores, skipped)[skipped:] if skipped else np.arange(len(scores))
    best = best[scores[best] > -np.inf]
    return view.chunk_nos[best], scores[best].astype(np.float64)
