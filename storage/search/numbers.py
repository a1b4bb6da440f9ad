"""A collection's row, and how its chunks are numbered."""

from __future__ import annotations

from dataclasses import dataclass

CHUNKS_OF_ALL_TIMES = 2**32
"""Of one collection."""


@dataclass(frozen=True, slots=True)
class Collection:
    no: int
    project_id: str
    dimensions: int
    changes: int
    additions: int
    removals: int
    chunks: int
    words: int

    @property
    def first_chunk_no(self) -> int:
        return self.no * CHUNKS_OF_ALL_TIMES

    @property
    def end_chunk_no(self) -> int:
        """Behind the last."""
        return self.first_chunk_no + CHUNKS_OF_ALL_TIMES
