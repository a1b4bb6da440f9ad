"""Whole numbers that JSON writes as `1.0`. A schema takes them for integers (JSON Schema 2020-12, 6.1.1); Python does
not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from handlers.core.errors import Invalid
from server.openapi31.specification import Document, Schema

LARGEST = 2**63 - 1


@dataclass(slots=True, eq=False)
class Place:
    """Where a value may hold integers: it `is_whole` itself, or its `members`, its `other` members, its `items` may."""

    is_whole: bool = False
    members: dict[str, Place] = field(default_factory=dict)
    other: Place | None = None
    items: Place | None = None

    def settle(self, value: Any) -> Any:
        """`value`, changed in place, with integers where its schema has them. Raises `Invalid` for one beyond 64
        bits."""
        kind = type(value)
        if kind is float:
            return _whole(value) if self.is_whole and value.is_integer() else value
        if kind is dict:
            for name in value.keys() & self.members.keys():
                value[name] = self.members[name].settle(value[name])
            if self.other is not None:
                for name in value.keys() - self.members.keys():
                    value[name] = self.other.settle(value[name])
        elif kind is list and self.items is not None:
            value[:] = map(self.items.settle, value)
        return value


def _whole(value: float) -> int:
    if abs(value) > LARGEST:
        raise Invalid("a whole number in the body has more than 64 bits", code="number_too_large")
    return int(value)


def places_of(document: Document, pointer: str) -> Place | None:
    """The places of the schema at a JSON pointer; None where it has no integers."""
    place = _Finder(document).find([document.schema_at(pointer)])
    fruitful = _fruitful(list(_reachable(place)))
    for one in fruitful:
        one.other = one.other if one.other in fruitful else None
        if one.other is None:  # which is not for those that have a place of their own
            one.members = {name: inner for name, inner in one.members.items() if inner in fruitful}
        one.items = one.items if one.items in fruitful else None
    return place if place in fruitful else None


class _Finder:
    """Finds places, each once: schemas refer to themselves."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: dict[tuple[int, ...], Place] = {}

    def find(self, schemas: Iterable[Schema]) -> Place:
        parts = list({id(part): part for schema in schemas for part in self._parts(schema, set())}.values())
        key = tuple(sorted(map(id, parts)))
        place = self._found.get(key)
        if place is None:
            place = self._found[key] = Place()
            types = {name for part in parts for name in _types(part)}
            place.is_whole = "integer" in types and "number" not in types
            members: dict[str, list[Schema]] = {}
            for part in parts:
                for name, inner in part.get("properties", {}).items():
                    members.setdefault(name, []).append(inner)
            place.members = {name: self.find(found) for name, found in members.items()}
            place.other = self._find_under("additionalProperties", parts)
            place.items = self._find_under("items", parts)
        return place

    def _find_under(self, word: str, parts: list[dict[str, Any]]) -> Place | None:
        found = [part[word] for part in parts if word in part]
        return self.find(found) if found else None

    def _parts(self, schema: Schema, seen: set[int]) -> Iterator[dict[str, Any]]:
        """The schema and all that it is put together from."""
        if isinstance(schema, bool) or id(schema) in seen:
            return
        seen.add(id(schema))
        yield schema
        if "$ref" in schema:
            yield from self._parts(self._document.schema_at(schema["$ref"]), seen)
        for word in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(word, ()):
                yield from self._parts(part, seen)


def _types(schema: dict[str, Any]) -> list[str]:
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else named


def _inner(place: Place) -> Iterator[Place]:
    yield from place.members.values()
    yield from (one for one in (place.other, place.items) if one is not None)


def _reachable(place: Place) -> Iterator[Place]:
    seen, left = {place}, [place]
    while left:
        one = left.pop()
        yield one
        new = {inner for inner in _inner(one) if inner not in seen}
        seen |= new
        left += new


def _fruitful(places: list[Place]) -> set[Place]:
    """Those from which an integer is reached."""
    found = {place for place in places if place.is_whole}
    while True:
        more = {place for place in places if place not in found and any(one in found for one in _inner(place))}
        if not more:
            return found
        found |= more
