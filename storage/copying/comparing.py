"""Two sides held against each other, row by row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from storage.copying.shapes import Row, Shape, converter


@dataclass(frozen=True, slots=True)
class Difference:
    table: str
    key: Row
    what: str

    def __str__(self) -> str:
        return f"{self.table} {', '.join(map(repr, self.key))}: {self.what}"


async def differences(
    shape: Shape, source: AsyncIterator[list[Row]], copy: AsyncIterator[list[Row]]
) -> AsyncIterator[Difference]:
    """Both sides come by key. What is alike is passed over some rows at a time; what is not is found by halving."""
    left, right = _Feed(source), _Feed(copy)
    plain = converter(shape, {"document": _in_one_order})
    while True:
        await left.fill()
        await right.fill()
        if not left.rows and not right.rows:
            return
        common = min(len(left.rows), len(right.rows))
        while common and not _alike(plain, left.rows[:common], right.rows[:common]):
            common //= 2
        if common:
            left.drop(common)
            right.drop(common)
        elif found := _step(shape, left, right):
            yield found


def _alike(plain: Callable[[Row], Row], ours: list[Row], theirs: list[Row]) -> bool:
    return ours == theirs or [plain(row) for row in ours] == [plain(row) for row in theirs]


class _Feed:
    def __init__(self, batches: AsyncIterator[list[Row]]) -> None:
        self._batches = batches
        self.rows: list[Row] = []

    async def fill(self) -> None:
        if not self.rows:
            self.rows = await anext(self._batches, [])

    def drop(self, count: int) -> None:
        del self.rows[:count]


def _step(shape: Shape, left: _Feed, right: _Feed) -> Difference | None:
    """Passes over the first row of the side whose key comes first, or of both."""
    ours = shape.key_of(left.rows[0]) if left.rows else None
    theirs = shape.key_of(right.rows[0]) if right.rows else None
    if ours is not None and (theirs is None or ours < theirs):
        left.drop(1)
        return Difference(shape.name, ours, "missing in the copy")
    if theirs is not None and (ours is None or theirs < ours):
        right.drop(1)
        return Difference(shape.name, theirs, "only in the copy")
    pairs = zip(shape.columns, left.rows[0], right.rows[0], strict=True)
    changed = [column.name for column, one, other in pairs if not _same(column.kind, one, other)]
    left.drop(1)
    right.drop(1)
    return Difference(shape.name, ours or (), f"different in {', '.join(changed)}") if changed else None


def _same(kind: str, one: Any, other: Any) -> bool:
    is_document = kind == "document" and one is not None and other is not None
    return bool(one == other or (is_document and _in_one_order(one) == _in_one_order(other)))


def _in_one_order(written: str) -> Any:
    """A document's value; one that is no JSON is compared as it is written."""
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        return written
