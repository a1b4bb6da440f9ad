"""Which documents are meant, by their attributes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Comparison = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A document without the attribute is let through by `ne` and `nin` alone. Numbers compare with numbers and texts
    with texts; of what cannot be compared neither is greater."""

    key: str
    comparison: Comparison
    value: Any

    def admits(self, attributes: Mapping[str, Any]) -> bool:
        found = attributes.get(self.key)
        if self.comparison in ("ne", "nin"):
            return not _EQUALITY[self.comparison](found, self.value)
        if found is None:
            return False
        if self.comparison in _EQUALITY:
            return _EQUALITY[self.comparison](found, self.value)
        return _kind(found) == _kind(self.value) != "other" and _ORDER[self.comparison](found, self.value)


@dataclass(frozen=True, slots=True)
class Every:
    filters: Sequence[Filter]

    def admits(self, attributes: Mapping[str, Any]) -> bool:
        return all(one.admits(attributes) for one in self.filters)


@dataclass(frozen=True, slots=True)
class Some:
    filters: Sequence[Filter]

    def admits(self, attributes: Mapping[str, Any]) -> bool:
        return any(one.admits(attributes) for one in self.filters)


Filter: TypeAlias = Attribute | Every | Some


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _same(found: Any, wanted: Any) -> bool:
    """True is not 1."""
    return _kind(found) == _kind(wanted) and bool(found == wanted)


def _among(found: Any, wanted: Any) -> bool:
    return isinstance(wanted, Sequence) and any(_same(found, one) for one in wanted)


_EQUALITY: Mapping[str, Callable[[Any, Any], bool]] = {"eq": _same, "ne": _same, "in": _among, "nin": _among}
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
