"""Several schemas that hold together as one, references followed and `allOf` resolved.

What is a choice (`anyOf`, `oneOf`, `if`, what depends on a property) is left as a list of branches to choose from.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Any
"""A schema as JSON has it: an object, or a boolean."""

CHOICES = frozenset({"anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependentRequired", "allOf", "$ref"})
LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains")
MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains")
EVERY_TYPE = ("object", "array", "string", "integer", "number", "boolean", "null")
MAX_REENTRIES = 2


class Impossible(Exception):
    """No value can be made; the message says why."""


@dataclass
class Flat:
    """`base` holds no reference and no choice but what validation alone can judge (`not`); `unions` are the choices.
    `refs` are the references that led here; `exclusive` says that of a choice no more than one may hold."""

    refs: tuple[str, ...]
    base: dict[str, Any] = field(default_factory=dict)
    unions: list[list[Schema]] = field(default_factory=list)
    exclusive: bool = False


def flatten(schema: Schema, refs: tuple[str, ...], follow: Callable[[str], Schema]) -> Flat:
    """`follow` gives what a reference leads to. Raises `Impossible`."""
    flat = Flat(refs)
    _gather(schema, flat, follow)
    return flat


def _gather(schema: Schema, flat: Flat, follow: Callable[[str], Schema]) -> None:
    if schema is True:
        return
    if schema is False:
        raise Impossible("the schema allows nothing")
    flat.base = join(flat.base, {key: value for key, value in schema.items() if key not in CHOICES})
    flat.unions += [list(schema[key]) for key in ("anyOf", "oneOf") if key in schema]
    flat.exclusive = flat.exclusive or "oneOf" in schema
    if "if" in schema:
        flat.unions.append([{"allOf": [schema["if"], schema.get("then", True)]}, schema.get("else", True)])
    for name, dependent in schema.get("dependentSchemas", {}).items():
        flat.unions.append([dependent, {"properties": {name: False}}])
    for name, required in schema.get("dependentRequired", {}).items():
        flat.unions.append([{"required": required}, {"properties": {name: False}}])
    if "$ref" in schema:
        pointer = schema["$ref"]
        if flat.refs.count(pointer) >= MAX_REENTRIES:
            raise Impossible(f"{pointer} goes on without an end")
        flat.refs = (*flat.refs, pointer)
        _gather(follow(pointer), flat, follow)
    for part in schema.get("allOf", []):
        _gather(part, flat, follow)


def join(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Both at once. What only describes is the left one's."""
    left, right = _closed(left, right), _closed(right, left)
    left, right = _placed(left, right), _placed(right, left)
    result = dict(left)
    for key, value in right.items():
        result[key] = _join_values(key, result[key], value) if key in result else value
    return result


def _closed(schema: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with a word of its own on the other's properties, where it has one on all it does not name."""
    if "additionalProperties" not in schema:
        return schema
    named, rest = schema.get("properties", {}), schema["additionalProperties"]
    foreign = [name for name in other.get("properties", {}) if name not in named and not matching(schema, name)]
    return {**schema, "properties": {**named, **dict.fromkeys(foreign, rest)}} if foreign else schema


def _placed(schema: Mapping[str, Any], other: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same for the places of a list."""
    own, places = schema.get("prefixItems", []), len(other.get("prefixItems", []))
    if len(own) >= places:
        return schema
    return {**schema, "prefixItems": [*own, *[schema.get("items", True)] * (places - len(own))]}


def matching(schema: Mapping[str, Any], name: str) -> list[Schema]:
    """What the patterns of a schema say of a property."""
    found = schema.get("patternProperties", {}).items()
    return [inner for pattern, inner in found if re.search(pattern, name)]


def _join_values(key: str, left: Any, right: Any) -> Any:
    if key == "type":
        return _join_types(left, right)
    if key == "required":
        return [*left, *(name for name in right if name not in left)]
    if key in ("properties", "patternProperties"):
        return {
            name: both(left[name], right[name]) if name in left and name in right else left.get(name, right.get(name))
            for name in (*left, *(name for name in right if name not in left))
        }
    if key in ("items", "additionalProperties", "propertyNames", "contains"):
        return both(left, right)
    if key == "prefixItems":
        return [both(one, another) for one, another in zip(left, right, strict=True)]
    if key == "enum":
        return [value for value in left if value in right]
    if key == "not":
        return {"anyOf": [left, right]}
    if key in LEAST:
        return max(left, right)
    return min(left, right) if key in MOST else left


def both(left: Schema, right: Schema) -> Schema:
    if left is False or right is False:
        return False
    return left if right in (True, left) else right if left is True else {"allOf": [left, right]}


def _join_types(left: Any, right: Any) -> list[str]:
    return [kind for kind in types_of(left) if kind in types_of(right)]


def types_of(kind: Any) -> list[str]:
    """The types that the value of a `type` keyword names; integers are numbers."""
    if kind is None:
        return list(EVERY_TYPE)
    kinds = [kind] if isinstance(kind, str) else list(kind)
    return [*kinds, "integer"] if "number" in kinds and "integer" not in kinds else kinds
