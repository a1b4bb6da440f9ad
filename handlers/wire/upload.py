"""Request bodies that are not JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a multipart form, spooled to a temporary file that lives as long as the request."""

    filename: str
    media_type: str
    size_bytes: int
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class RawBody:
    """A body taken as it comes: `chunks` can be read once and raises `TooLarge` past the server's limit."""

    media_type: str
    chunks: AsyncIterator[bytes]
