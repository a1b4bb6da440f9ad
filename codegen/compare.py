"""Holds an old schema against a new one and says what changed for a client.

A request schema may take more and an answer may say less without breaking anybody; the other way round clients break.
Findings name the component they were made in, so that a schema used by many operations is reported once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from codegen.operation import Json
from codegen.pointer import resolve
from codegen.schema import ANNOTATIONS

Side = Literal["request", "answer"]
KINDS = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})
ANY: dict[str, Any] = {}
NOTHING: dict[str, Any] = {"not": {}}
LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_BOUNDS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
SHAPES = ("pattern", "format", "multipleOf", "uniqueItems", "not", "oneOf")


@dataclass(frozen=True, slots=True)
class Finding:
    """One change. `place` is where in the document, in words; `widens` says that an answer merely says more."""

    breaking: bool
    place: str
    text: str
    widens: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """One pair of documents, read from one side; `seen` makes recursive schemas end."""

    old: Json
    new: Json
    side: Side
    seen: set[tuple[int, int]] = field(default_factory=set)

    def schemas(self, old: Json, new: Json, place: str) -> Iterator[Finding]:
        old, new = _as_object(old), _as_object(new)
        if (id(old), id(new)) in self.seen or (old == new and "$ref" not in repr(old)):
            return
        self.seen.add((id(old), id(new)))
        yield from self._branches(_branches(self.old, old), _branches(self.new, new), _name_place(new, place))

    def _branches(self, old: list[Json], new: list[Json], place: str) -> Iterator[Finding]:
        if ANY in old or ANY in new:
            yield from self._kinds(_all_kinds(self.old, old), _all_kinds(self.new, new), place)
            return
        pairs, lost, gained = _pair(self.old, old, self.new, new)
        for before, after in pairs:
            yield from self._single(_flatten(self.old, before), _flatten(self.new, after), _name_place(after, place))
        for branch in lost:
            if not any(_fits(self.old, branch, self.new, member) for member in new):
                name = _say(self.old, branch)
                yield self._narrowed(place, f"no longer takes {name}", f"is never {name}")
        for branch in gained:
            if not any(_fits(self.new, branch, self.old, member) for member in old):
                name = _say(self.new, branch)
                yield self._widened(place, f"also takes {name}", f"may now be {name}")

    def _narrowed(self, place: str, request: str, answer: str) -> Finding:
        """A change that allows less: it breaks those who send."""
        return Finding(True, place, request) if self.side == "request" else Finding(False, place, answer)

    def _widened(self, place: str, request: str, answer: str) -> Finding:
        """A change that allows more: it breaks those who read."""
        return Finding(False, place, request) if self.side == "request" else Finding(True, place, answer, widens=True)

    def _kinds(self, old: frozenset[str], new: frozenset[str], place: str) -> Iterator[Finding]:
        lost, gained = "/".join(sorted(old - new)), "/".join(sorted(new - old))
        if lost:
            yield self._narrowed(place, f"no longer takes {lost}", f"is never {lost}")
        if gained:
            yield self._widened(place, f"also takes {gained}", f"may now be {gained}")

    def _single(self, old: Json, new: Json, place: str) -> Iterator[Finding]:
        yield from self._kinds(_kinds(self.old, old), _kinds(self.new, new), place)
        yield from self._enums(old, new, place)
        yield from self._bounds(old, new, place)
        yield from self._properties(old, new, place)
        yield from self._required(old, new, place)
        yield from self._additional(old, new, place)
        if "items" in old or "items" in new:
            yield from self.schemas(old.get("items", ANY), new.get("items", ANY), f"{place}[]")

    def _enums(self, old: Json, new: Json, place: str) -> Iterator[Finding]:
        before, after = _values(old), _values(new)
        if before == after:
            return
        if before is None:
            yield self._narrowed(place, f"takes only {_list(after)}", f"is always one of {_list(after)}")
        elif after is None:
            yield Finding(False, place, "is no longer limited to listed values")
        else:
            lost = [value for value in before if value not in after]
            gained = [value for value in after if value not in before]
            if lost:
                yield self._narrowed(place, f"no longer takes the value {_list(lost)}", f"is never {_list(lost)}")
            if gained:
                yield Finding(False, place, f"has the new value {_list(gained)}")

    def _bounds(self, old: Json, new: Json, place: str) -> Iterator[Finding]:
        for key in (*LOWER_BOUNDS, *UPPER_BOUNDS, *SHAPES):
            before, after = old.get(key), new.get(key)
            if before == after:
                continue
            looser = after is None or (
                before is not None and key not in SHAPES and (after < before if key in LOWER_BOUNDS else after > before)
            )
            text = f"{key} was {_show(before)} and is {_show(after)}"
            if looser or key == "format" or self.side == "answer":
                yield Finding(False, place, text)
            else:
                yield Finding(True, place, text)

    def _properties(self, old: Json, new: Json, place: str) -> Iterator[Finding]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name in before:
            if name in after:
                yield from self.schemas(before[name], after[name], f"{place}.{name}")
            else:
                yield Finding(True, place, f"the property {name} is removed")
        for name in after:
            if name not in before:
                required = name in new.get("required", [])
                kind = "a required" if required else "an optional"
                yield Finding(required and self.side == "request", place, f"{kind} property {name} is added")

    def _required(self, old: Json, new: Json, place: str) -> Iterator[Finding]:
        before, after = set(old.get("required", [])), set(new.get("required", []))
        added = set(new.get("properties", {})) - set(old.get("properties", {}))
        removed = set(old.get("properties", {})) - set(new.get("properties", {}))
        for name in sorted(after - before - added):
            yield Finding(self.side == "request", place, f"the property {name} is now required")
        for name in sorted(before - after - removed):
            text = f"the property {name} is no longer required"
            yield Finding(self.side == "answer", place, text, widens=self.side == "answer")

    def _additional(self, old: Json, new: Json, place: str) -> Iterator[Finding]:
        before, after = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if after is False and before is not False:
            yield self._narrowed(place, "takes no further properties", "has no further properties")
        elif before is False and after is not False:
            yield Finding(False, place, "may have further properties")
        else:
            yield from self.schemas(before, after, f"{place}.*")


def _name_place(schema: dict[str, Any], place: str) -> str:
    return f"schema {schema['$ref'].rpartition('/')[2]}" if "$ref" in schema else place


def _as_object(schema: Json) -> Json:
    if isinstance(schema, dict):
        return schema
    return NOTHING if schema is False else ANY


def _flatten(document: Json, schema: Json, seen: frozenset[str] = frozenset()) -> dict[str, Any]:
    """References followed and `allOf` merged into one object schema."""
    schema = _as_object(schema)
    result: dict[str, Any] = {}
    parts = list(schema.get("allOf", []))
    if "$ref" in schema and schema["$ref"] not in seen:
        seen |= {schema["$ref"]}
        parts.append(resolve(document, schema["$ref"]))
    for part in [*(_flatten(document, part, seen) for part in parts), schema]:
        properties = {**result.get("properties", {}), **part.get("properties", {})}
        required = [*result.get("required", []), *part.get("required", [])]
        result |= {key: value for key, value in part.items() if key not in ("$ref", "allOf")}
        if properties:
            result["properties"] = properties
        if required:
            result["required"] = required
    return result


def _branches(document: Json, schema: Json, seen: frozenset[str] = frozenset()) -> list[Json]:
    """The members of a union; a list of types is one too. Anything else is its own only member."""
    if set(schema) - {*ANNOTATIONS} == {"$ref"} and schema["$ref"] not in seen:
        members = _branches(document, _as_object(resolve(document, schema["$ref"])), seen | {schema["$ref"]})
        return members if len(members) > 1 else [schema]
    if "anyOf" in schema and not set(schema) & {"properties", "allOf", "enum"}:
        return [member for branch in schema["anyOf"] for member in _branches(document, _as_object(branch), seen)]
    if isinstance(schema.get("type"), list):
        return [_restrict(schema, kind) for kind in schema["type"]]
    return [schema if set(schema) - {*ANNOTATIONS} else ANY]


def _restrict(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    if kind == "null":
        return {"type": "null"}
    values = [value for value in schema.get("enum", []) if value is not None]
    return {**schema, "type": kind, **({"enum": values} if values else {})}


def _kinds(document: Json, schema: Json) -> frozenset[str]:
    flat = _flatten(document, schema)
    if "type" in flat:
        kinds = flat["type"] if isinstance(flat["type"], list) else [flat["type"]]
        return frozenset(kinds) | ({"integer"} if "number" in kinds else frozenset())
    values = _values(flat)
    if values is not None:
        return frozenset(_kind_of(value) for value in values)
    return frozenset({"object"}) if "properties" in flat else KINDS


def _all_kinds(document: Json, members: list[Json]) -> frozenset[str]:
    return frozenset(kind for member in members for kind in _kinds(document, member))


def _kind_of(value: Json) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _pair(
    old_document: Json, old: list[Json], new_document: Json, new: list[Json]
) -> tuple[list[tuple[Json, Json]], list[Json], list[Json]]:
    """Which member of the old union became which of the new one: the equal ones first, then those with the same tag,
    of the same kind, of an overlapping kind. Also the old and the new members that have none."""
    likenesses: tuple[Callable[[Json, Json], bool], ...] = (
        lambda before, after: before == after,
        lambda before, after: _tags(old_document, before) == _tags(new_document, after) != {},
        lambda before, after: _kinds(old_document, before) == _kinds(new_document, after),
        lambda before, after: bool(_kinds(old_document, before) & _kinds(new_document, after)),
    )
    pairs, lost, gained = [], list(old), list(new)
    for alike in likenesses:
        for before in list(lost):
            after = next((candidate for candidate in gained if alike(before, candidate)), None)
            if after is not None:
                pairs.append((before, after))
                lost.remove(before)
                gained.remove(after)
    return pairs, lost, gained


def _fits(document: Json, member: Json, other_document: Json, other: Json) -> bool:
    """Whether one schema takes every value that the other takes, as far as findings can tell."""
    comparison = Comparison(document, other_document, "request")
    flat = _flatten(document, member), _flatten(other_document, other)
    return not any(finding.breaking for finding in comparison._single(*flat, ""))


def _tags(document: Json, schema: Json) -> dict[str, Json]:
    properties = _flatten(document, schema).get("properties", {})
    return {name: part["const"] for name, part in properties.items() if isinstance(part, dict) and "const" in part}


def _values(schema: Json) -> list[Json] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Json] | None = schema.get("enum")
    return values


def _say(document: Json, schema: Json) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    values = _values(schema)
    return _list(values) if values else "/".join(sorted(_kinds(document, schema)))


def _list(values: Json) -> str:
    return ", ".join(repr(value) for value in values)


def _show(value: Json) -> str:
    return "absent" if value is None else str(value)
