"""Reading Parquet files."""

from __future__ import annotations

from typing import Protocol


class Unreadable(Exception):
    """The content is no Parquet file, or takes too much to read. The message is for whoever sent it."""


class ParquetReader(Protocol):
    async def read(self, content: bytes) -> bytes:
        """Its rows, one JSON object a line. Raises `Unreadable`."""
        ...
