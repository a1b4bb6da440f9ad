"""What the core asks of anything that reads documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of text as the document has it. `page` and `slide` count from 1; `sheet` is a name.

    Lines end in a line feed, and there are no other control characters than that, the tab and the form feed.
    """

    text: str
    page: int | None = None
    slide: int | None = None
    sheet: str | None = None


class Extractor(Protocol):
    async def extract(self, path: Path, filename: str, media_type: str | None) -> Sequence[Section]:
        """In the order of the document, at least one, none of them blank. `filename` and `media_type` are what the
        sender says; the content has the first word. Raises `providers.errors.Unreadable` (code, message) for what
        cannot be read: `unsupported_file`, `encrypted`, `corrupt`, `too_large`, `timed_out`, `empty`."""
        ...
