"""Request bodies that are not JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, BinaryIO


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


@dataclass(frozen=True, slots=True)
class StreamedForm:
    """A multipart form whose one file, the field `file`, is still on the wire.

    `chunks` are the file's bytes. Fields may stand behind the file, so `fields` is complete, and held against the
    document, when `chunks` has come to its end; until then that raises `Invalid` and `TooLarge`. `media_type` is the
    file's own, as far as its sender says.
    """

    filename: str
    media_type: str
    fields: dict[str, Any]
    chunks: AsyncIterator[bytes]
