"""Tools that a model may use while it works: a search of the web, and reading one of its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Hit(NamedTuple):
    """`text` is what the search engine shows of the page."""

    title: str
    url: str
    text: str


class Page(NamedTuple):
    """`url` is where redirects led; `text` is plain, one line a block."""

    url: str
    title: str
    text: str


class Search(Protocol):
    """All methods raise only `providers.errors.ProviderError`."""

    @property
    def name(self) -> str: ...

    async def search(self, query: str, most: int) -> Sequence[Hit]:
        """At most so many, the best first."""
        ...


class PageReader(Protocol):
    async def read(self, url: str) -> Page:
        """Raises `Refused` for an address that is not allowed, and for what is no page of text."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """`search` is None where the operator has configured no search engine."""

    pages: PageReader
    search: Search | None = None
