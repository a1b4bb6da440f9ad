"""Rows by their key, for the reads that cost little more than the way to them: they go to the database's own driver,
past SQLAlchemy, which only writes the statement, once, and says how columns are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Dialect, Table, bindparam, select

Found = TypeVar("Found")
Converter = tuple[int, Callable[[Any], Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Lookup(Generic[Found]):
    """The rows of a table that have these texts in the columns `key`, which an index leads to, each as a `make`: a
    dataclass, whose fields are the columns. A row that does not meet `where` is not there."""

    table: Table
    key: tuple[str, ...]
    make: type[Found]
    where: ColumnElement[bool] | None = None
    order_by: tuple[ColumnElement[Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Statement(Generic[Found]):
    """A lookup in a database's own words: its parameters are the key, in order."""

    sql: str
    _make: Callable[..., Found]
    _converters: tuple[Converter, ...]

    def read(self, row: Sequence[Any]) -> Found:
        values = list(row)
        for position, convert in self._converters:
            values[position] = convert(values[position])
        return self._make(*values)


class Lookups(Protocol):
    """`find` sees what any process had committed before it was called. Raises `StorageUnavailable`, and `RowRefused`
    for a text that the database cannot hold."""

    async def find(self, lookup: Lookup[Found], key: tuple[str, ...]) -> list[Found]: ...

    async def close(self) -> None: ...


def write(lookup: Lookup[Found], dialect: Dialect) -> Statement[Found]:
    columns = [lookup.table.c[field.name] for field in fields(lookup.make)]  # type: ignore[arg-type]
    query = select(*columns).where(*(lookup.table.c[name] == bindparam(name) for name in lookup.key))
    if lookup.where is not None:
        query = query.where(lookup.where)
    query = query.order_by(*lookup.order_by)
    readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
    converters = tuple((position, read) for position, read in enumerate(readers) if read is not None)
    return Statement(str(query.compile(dialect=dialect)), lookup.make, converters)
