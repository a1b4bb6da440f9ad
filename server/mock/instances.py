"""Values that a schema allows, made up: the same for the same dice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product
from random import Random
from typing import Any

import jsonschema_rs
import orjson

from server.mock.conjunction import Flat, Impossible, Schema, both, flatten, matching, types_of
from server.mock.scalars import WORDS, make_number, make_string
from server.openapi31.specification import Document

JUDGED = frozenset({"not", "unevaluatedProperties", "unevaluatedItems", "contains", "uniqueItems", "propertyNames"})
"""What is left to the validator: values are made until it is content."""

FULL_DEPTH = 4
"""Down to this level of nesting, properties are there that need not be, and lists have items."""
MAX_DEPTH = 40
TRIES = 12
MAX_COMBINATIONS = 48
ITEMS = 2


@dataclass(frozen=True, slots=True)
class Manner:
    """`by_example` prefers the document's own examples and defaults; `full` makes what may be left out, too; `varied`
    throws dice for the branch of a union, which otherwise is the first that will do."""

    by_example: bool = True
    full: bool = True
    varied: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value belongs: the property it is called after, how deep it is, by which references."""

    name: str = ""
    depth: int = 0
    refs: tuple[str, ...] = ()

    def below(self, name: str) -> Place:
        return replace(self, name=name, depth=self.depth + 1)


class Maker:
    """Makes values for the schemas of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def make(self, schema: Schema, seed: str, manner: Manner = Manner(), name: str = "") -> Any:
        """A value for a schema with references into the document, called `name`. Raises `Impossible`, with what is in
        the way."""
        judge, reason = self._judge(schema), ""
        for attempt in self._manners(manner):
            for number in range(TRIES):
                try:
                    value = _Making(self, Random(f"{seed}/{number}"), attempt).value(schema, Place(name))  # noqa: S311
                except Impossible as impossible:
                    reason = str(impossible)
                    continue
                if judge.is_valid(value):
                    return value
                error = next(iter(judge.iter_errors(value)))
                reason = f"{'.'.join(map(str, error.instance_path)) or 'the value'}: {error.message[:200]}"
        raise Impossible(reason)

    @staticmethod
    def _manners(manner: Manner) -> Iterator[Manner]:
        yield manner
        yield replace(manner, by_example=False)
        yield Manner(by_example=False, full=False, varied=True)

    def allows(self, schema: Schema, value: Any) -> bool:
        return bool(self._judge(schema).is_valid(value))

    def _judge(self, schema: Schema) -> jsonschema_rs.Draft202012Validator:
        try:
            return self._document.compile(self._absolute(schema))
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise Impossible(f"the schema is wrong in itself: {str(error).splitlines()[0]}") from None

    def follow(self, pointer: str) -> Schema:
        return self._document.schema_at(pointer)

    def _absolute(self, schema: Schema) -> Schema:
        """The schema with references that are good outside of the document."""
        if isinstance(schema, list):
            return [self._absolute(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        return {
            key: self._document.absolute(value)
            if key == "$ref" and isinstance(value, str)
            else value
            if key in ("const", "enum", "default", "examples", "example")
            else self._absolute(value)
            for key, value in schema.items()
        }


class _Making:
    """One attempt at a value."""

    def __init__(self, maker: Maker, dice: Random, manner: Manner) -> None:
        self._maker = maker
        self._dice = dice
        self._manner = manner

    def value(self, schema: Schema, place: Place) -> Any:
        """Raises `Impossible`."""
        if place.depth > MAX_DEPTH:
            raise Impossible("the schema nests without an end")
        flat = flatten(schema, place.refs, self._maker.follow)
        place = replace(place, refs=flat.refs)
        found, given = self._given(flat, schema)
        if found:
            return given
        if not flat.unions:
            return self._settle(flat.base, place)
        return self._choose(flat, place)

    def _given(self, flat: Flat, schema: Schema) -> tuple[bool, Any]:
        """Whether the document itself names a value, and which."""
        base = flat.base
        if "const" in base:
            return True, base["const"]
        hints: list[Any] = []
        if self._manner.by_example:
            hints = [*base.get("examples", ())][:1] if isinstance(base.get("examples"), list) else []
            hints += [base[key] for key in ("example", "default") if base.get(key) is not None]
        if not hints:
            return False, None
        return next(((True, hint) for hint in hints if self._maker.allows(schema, hint)), (False, None))

    def _choose(self, flat: Flat, place: Place) -> Any:
        """A value for one branch of every union."""
        reason = "no branch of a union can be made"
        ordered = [self._order(union, place) for union in flat.unions]
        is_judged = flat.exclusive or len(ordered) > 1
        whole = {"allOf": [flat.base, *({"oneOf" if flat.exclusive else "anyOf": union} for union in flat.unions)]}
        for branches in islice(product(*ordered), MAX_COMBINATIONS):
            try:
                value = self.value({"allOf": [flat.base, *branches]}, place)
            except Impossible as error:
                reason = str(error)
                continue
            if not is_judged or self._maker.allows(whole, value):
                return value
        raise Impossible(reason)

    def _order(self, branches: list[Schema], place: Place) -> list[Schema]:
        """Null comes last; in the depths, what is soon at an end comes first."""
        if self._manner.varied:
            branches = self._dice.sample(branches, len(branches))
        if place.depth > FULL_DEPTH:
            return sorted(branches, key=self._weight)
        return sorted(branches, key=lambda branch: isinstance(branch, dict) and branch.get("type") == "null")

    def _weight(self, branch: Schema) -> int:
        node = self._maker.follow(branch["$ref"]) if isinstance(branch, dict) and "$ref" in branch else branch
        if not isinstance(node, dict):
            return 0
        if "const" in node or "enum" in node or node.get("type") in ("null", "boolean", "string", "integer", "number"):
            return 0
        return 1 + len(node.get("required", ())) + 4 * any(key in node for key in ("anyOf", "oneOf", "allOf"))

    def _settle(self, base: Mapping[str, Any], place: Place) -> Any:
        kind = self._kind(base)
        make: Callable[[], Any] = {
            "object": lambda: self._object(base, place),
            "array": lambda: self._array(base, place),
            "string": lambda: make_string(base, place.name, self._dice),
            "integer": lambda: make_number(base, place.name, self._dice, whole=True),
            "number": lambda: make_number(base, place.name, self._dice, whole=False),
            "boolean": lambda: self._dice.random() < 0.5,
            "null": lambda: None,
        }[kind]
        if "enum" in base:
            kinds = types_of(base.get("type"))
            fitting = [value for value in base["enum"] if _kind_of(value) in kinds]
            if not fitting:
                raise Impossible("no value of an enum fits its type")
            make = lambda: self._dice.choice(fitting)  # noqa: E731
        if not JUDGED.intersection(base):
            return make()
        for _ in range(TRIES):
            value = make()
            if self._maker.allows(dict(base), value):
                return value
        raise Impossible(f"no {kind} was found that fulfils {', '.join(sorted(JUDGED.intersection(base)))}")

    def _kind(self, base: Mapping[str, Any]) -> str:
        """The first type that is not null, or the one that the schema speaks of."""
        kinds = types_of(base.get("type"))
        if not kinds:
            raise Impossible("the schemas that hold here agree on no type")
        if "type" in base:
            return next((kind for kind in kinds if kind != "null"), "null")
        if {"properties", "required", "additionalProperties", "minProperties", "patternProperties"}.intersection(base):
            return "object"
        if {"items", "prefixItems", "minItems", "contains"}.intersection(base):
            return "array"
        if {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}.intersection(base):
            return "number"
        return "string"

    def _array(self, base: Mapping[str, Any], place: Place) -> list[Any]:
        first: list[Schema] = base.get("prefixItems", [])
        items = base.get("items", True)
        low = max(int(base.get("minItems", 0)), 1 if "contains" in base else 0)
        high = int(base.get("maxItems", max(low, len(first), ITEMS)))
        wanted = max(low, min(high, len(first) or ITEMS)) if self._is_full(place) else low
        made: list[Any] = []
        seen: set[bytes] = set()
        inside = place.below(place.name.removesuffix("s"))
        for position in range(wanted * TRIES):
            if len(made) >= wanted or (items is False and len(made) >= len(first)):
                break
            schema = first[len(made)] if len(made) < len(first) else items
            if "contains" in base and position == 0:
                schema = both(schema, base["contains"])
            try:
                value = self.value(schema, inside)
            except Impossible:
                if len(made) >= low:
                    break
                raise
            mark = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
            if not (base.get("uniqueItems") and mark in seen):
                made.append(value)
            seen.add(mark)
        return made

    def _is_full(self, place: Place) -> bool:
        return self._manner.full and place.depth < FULL_DEPTH and len(place.refs) == len(set(place.refs))

    def _object(self, base: Mapping[str, Any], place: Place) -> dict[str, Any]:
        properties: dict[str, Schema] = base.get("properties", {})
        required = base.get("required", [])
        high = int(base.get("maxProperties", 1_000_000))
        made: dict[str, Any] = {}
        optional = [name for name in properties if name not in required] if self._is_full(place) else []
        for name in [*required, *optional]:
            schema = self._property(base, name)
            if name not in required and (len(made) >= high or _is_unwanted(schema)):
                continue
            try:
                made[name] = self.value(schema, place.below(name))
            except Impossible:
                if name in required:
                    raise
        in_document = [name for name in properties if name in made]
        made = {name: made[name] for name in [*in_document, *(name for name in made if name not in properties)]}
        return self._fill(base, made, place)

    def _property(self, base: Mapping[str, Any], name: str) -> Schema:
        schema: Schema = base.get("properties", {}).get(name, True)
        patterns = matching(base, name)
        for one in patterns:
            schema = both(schema, one)
        is_named = name in base.get("properties", {}) or patterns
        return schema if is_named else base.get("additionalProperties", True)

    def _fill(self, base: Mapping[str, Any], made: dict[str, Any], place: Place) -> dict[str, Any]:
        """Properties of no name of their own: as many as there must be, or one to show what they are like."""
        low = int(base.get("minProperties", 0))
        typed = isinstance(base.get("additionalProperties"), dict) or "patternProperties" in base
        wanted = low if made or not (typed and self._is_full(place)) else max(low, 1)
        wanted = min(wanted, int(base.get("maxProperties", wanted)))
        for _ in range((wanted - len(made)) * TRIES):
            if len(made) >= wanted:
                break
            name = self._name(base)
            try:
                made[name] = self.value(self._property(base, name), place.below(name))
            except Impossible:
                if len(made) < low:
                    continue
                break
        return made

    def _name(self, base: Mapping[str, Any]) -> str:
        if "propertyNames" in base:
            names = {"allOf": [{"type": "string"}, base["propertyNames"]]}
            return str(self.value(names, Place(depth=FULL_DEPTH)))
        for pattern in base.get("patternProperties", {}):
            if base.get("additionalProperties", True) is not True:
                return make_string({"pattern": pattern}, "", self._dice)
        optional: list[str] = [name for name in base.get("properties", {}) if self._dice.random() < 0.3]
        return self._dice.choice(optional or WORDS)


def _is_unwanted(schema: Schema) -> bool:
    """Whether a property can never be there, or is for requests only."""
    return schema is False or (isinstance(schema, dict) and bool(schema.get("writeOnly")))


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    kinds: dict[type, str] = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array"}
    return kinds.get(type(value), "object")
