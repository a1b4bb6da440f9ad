"""Where bytes that are too large for the database are kept."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from storage.errors import UnsafeKey

KEY = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[A-Za-z0-9._=-]{1,200}(?:/[A-Za-z0-9._=-]{1,200}){0,15}")

READ_BYTES = 128 * 1024
"""About what a piece of a blob has that is read: a few of them are in memory for each reader, however slow it is."""


@dataclass(frozen=True, slots=True)
class Blob:
    """What was put; `sha256` is hex."""

    key: str
    size_bytes: int
    sha256: str


class Blobs(Protocol):
    """Keys are `/`-joined names of letters, digits, `.`, `_`, `=` and `-`, made by us and never by a caller.

    All methods raise `UnsafeKey` for any other key and `StorageUnavailable` when the store fails.
    """

    async def put(self, key: str, content: AsyncIterator[bytes]) -> Blob:
        """Replaces what was there. A reader sees the old bytes or the new ones, never a part; when `content` raises,
        nothing has changed. What is answered for is durable."""
        ...

    async def get(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes] | None:
        """The bytes from `start` up to and without `stop`, in pieces; None when there is no such blob."""
        ...

    async def size(self, key: str) -> int | None:
        """In bytes; None when there is no such blob."""
        ...

    async def exists(self, key: str) -> bool: ...

    async def delete(self, key: str) -> bool:
        """False when there was none, as far as the store tells."""
        ...

    def list(self, folder: str) -> AsyncIterator[str]:
        """The keys below `folder/`, in no order."""
        ...

    async def purge(self, before: float) -> int:
        """Removes what processes which died left half-written, last written to before then (unix seconds); answers how
        many. A bucket does that by a rule of its own."""
        ...


def checked(key: str) -> str:
    """The key itself. Raises `UnsafeKey`."""
    if not KEY.fullmatch(key):
        raise UnsafeKey(f"not a blob's key: {key!r}")
    return key
