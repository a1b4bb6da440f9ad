"""What is copied, in words that belong to no database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Literal, Protocol, TypeAlias

from storage.errors import CopyRefused

Kind: TypeAlias = Literal["text", "integer", "real", "boolean", "instant", "document", "bytes"]
"""An instant is text in UTC that sorts in time's order (`2026-03-18 09:30:00.000000`), a document is JSON text; the
others are what Python has for them."""
Row: TypeAlias = tuple[Any, ...]

LEFT_OUT = frozenset({"alembic_version", "processes", "job_workers", "open_streams"})
"""The schema's own, and what is true of running processes only."""


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a table. `key` are the columns by which rows are told apart and put in order."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def key_of(self, row: Row) -> Row:
        names = self.names
        return tuple(row[names.index(name)] for name in self.key)


WORDS = Shape(
    "search_words",
    (
        Column("chunk_no", "integer"),
        Column("document_no", "integer"),
        Column("length", "integer"),
        Column("words", "text"),
    ),
    ("chunk_no",),
)
"""The index of words, which each database keeps in its own way. Words are `word:count`, sorted, a space between."""


class Snapshot(Protocol):
    """A database as it is at one moment. All methods raise `storage.errors.StorageError`."""

    revision: str

    async def shapes(self) -> Sequence[Shape]:
        """Of all tables, such that none refers to one that comes later."""
        ...

    def rows(self, shape: Shape) -> AsyncIterator[list[Row]]:
        """All of them by key, texts by their code points, some at a time."""
        ...

    async def sequences(self) -> Mapping[str, int]:
        """The last number given out, of tables that count their rows."""
        ...


class Load(Snapshot, Protocol):
    """An empty database that is being filled; as a snapshot it shows what is there so far."""

    async def write(self, shape: Shape, rows: Sequence[Row]) -> None: ...

    async def count_on(self, sequences: Mapping[str, int]) -> None:
        """The next numbers come behind these."""
        ...


def ordered(references: Mapping[str, Iterable[str]]) -> list[str]:
    """Tables such that each comes after those it refers to, else by name."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(references):
        sorter.add(name, *(other for other in references[name] if other != name))
    sorter.prepare()
    found: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        found += ready
        sorter.done(*ready)
    return found


def kind_of(table: str, column: str, declared: str, kinds: Mapping[str, Kind]) -> Kind:
    """Raises `CopyRefused` for a type that is not known."""
    kind = kinds.get(declared.partition("(")[0].strip().lower())
    if kind is None:
        raise CopyRefused(f"the column {table}.{column} is of a type that cannot be copied: {declared}")
    return kind


def converter(shape: Shape, functions: Mapping[Kind, Callable[[Any], Any]]) -> Callable[[Sequence[Any]], Row]:
    """Makes rows of these columns by the functions of their kinds; NULL stays."""
    places = [(place, functions[c.kind]) for place, c in enumerate(shape.columns) if c.kind in functions]
    if not places:
        return tuple

    def convert(row: Sequence[Any]) -> Row:
        values = list(row)
        for place, function in places:
            if values[place] is not None:
                values[place] = function(values[place])
        return tuple(values)

    return convert


class Pace:
    """How many rows to take at once, so that neither many small ones nor a few large ones fill the memory."""

    MOST_ROWS = 2_000
    BYTES = 8 * 2**20
    SAMPLED = 8
    """One row in so many is weighed."""

    def __init__(self) -> None:
        self.rows = 64

    def note(self, rows: Sequence[Row]) -> None:
        sample = rows[:: self.SAMPLED]
        weight = sum(len(value) for row in sample for value in row if isinstance(value, str | bytes))
        fitting = self.BYTES * len(sample) // max(1, weight)
        self.rows = max(1, min(fitting, 2 * self.rows, self.MOST_ROWS))
