"""Schemas made flat: references followed, `allOf` merged, one candidate for each way through `anyOf` and `oneOf`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from providers.inference.simulator.budget import Budget, Unsatisfiable

MOST_CANDIDATES = 64
LONGEST_CHAIN = 64

Flat = dict[str, Any]


class Schemas:
    def __init__(self, root: Any, budget: Budget) -> None:
        self.root = root
        self.budget = budget

    def flatten(self, schema: Any, chain: int = 0) -> list[Flat]:
        """Schemas without `$ref`, `allOf`, `anyOf`, `oneOf` or `if` at their top; a value for any is likely to do.

        Raises `Unsatisfiable` for `false`, references without a target and references that run in a circle.
        """
        self.budget.spend(1)
        if chain > LONGEST_CHAIN:
            raise Unsatisfiable("its references run in a circle")
        if schema is True:
            return [{}]
        if not isinstance(schema, Mapping):
            raise Unsatisfiable("nothing is allowed")
        flats = [{key: value for key, value in schema.items() if key not in _COMBINING}]
        for choices in self._demands(schema):
            flats = self._combine(flats, choices, chain)
        return flats

    def _demands(self, schema: Mapping[str, Any]) -> Iterator[list[Any]]:
        """Lists of schemas, one of each must hold."""
        if "$ref" in schema:
            yield [self.resolve(schema["$ref"])]
        for sub in schema.get("allOf", ()):
            yield [sub]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                yield list(schema[keyword])
        if "if" in schema:
            yield [{"allOf": [schema["if"], schema.get("then", True)]}, schema.get("else", True)]
        for name, sub in schema.get("dependentSchemas", {}).items():
            if name in schema.get("required", ()):
                yield [sub]

    def _combine(self, flats: list[Flat], choices: list[Any], chain: int) -> list[Flat]:
        combined: list[Flat] = []
        reason = "no choice is left"
        for choice in choices:
            try:
                options = self.flatten(choice, chain + 1)
            except Unsatisfiable as error:
                reason = str(error)
                continue
            self.budget.spend(len(flats) * len(options))
            for flat in flats:
                for option in options:
                    try:
                        combined.append(merge(flat, option))
                    except Unsatisfiable as error:
                        reason = str(error)
        if not combined:
            raise Unsatisfiable(reason)
        return combined[:MOST_CANDIDATES]

    def resolve(self, reference: str) -> Any:
        """The target of a reference into this schema: a JSON pointer or an anchor."""
        target, _, fragment = reference.partition("#")
        if target:
            raise Unsatisfiable(f"{reference} is outside of it")
        if not fragment:
            return self.root
        if fragment.startswith("/"):
            return self._follow(fragment, reference)
        for sub in members(self.root):
            if sub.get("$anchor") == fragment:
                return sub
        raise Unsatisfiable(f"{reference} points nowhere")

    def _follow(self, pointer: str, reference: str) -> Any:
        found = self.root
        for step in pointer.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Unsatisfiable(f"{reference} points nowhere") from None
        return found


def members(root: Any) -> Iterator[Mapping[str, Any]]:
    """Every object inside a schema, itself first."""
    waiting = [root]
    while waiting:
        sub = waiting.pop()
        if isinstance(sub, Mapping):
            yield sub
            waiting.extend(sub.values())
        elif isinstance(sub, list):
            waiting.extend(sub)


def merge(left: Any, right: Any) -> Flat:
    """A flat schema that demands what both demand. Raises `Unsatisfiable` when they exclude each other."""
    left, right = _as_mapping(left), _as_mapping(right)
    merged = dict(left)
    for key, value in right.items():
        merged[key] = _MERGERS.get(key, _later)(merged[key], value) if key in merged else value
    return _narrow(merged)


def _as_mapping(schema: Any) -> Mapping[str, Any]:
    if schema is True:
        return {}
    if not isinstance(schema, Mapping):
        raise Unsatisfiable("nothing is allowed")
    return schema


def _narrow(schema: Flat) -> Flat:
    """Keeps only the enum's values that a const or the type allows."""
    if "enum" in schema and "const" in schema:
        if schema["const"] not in schema["enum"]:
            raise Unsatisfiable("const and enum exclude each other")
        del schema["enum"]
    if "enum" in schema and "type" in schema:
        kinds = _listed(schema["type"])
        schema["enum"] = [value for value in schema["enum"] if any(is_of(value, kind) for kind in kinds)]
        if not schema["enum"]:
            raise Unsatisfiable("type and enum exclude each other")
    return schema


def is_of(value: Any, kind: str) -> bool:
    if kind == "integer":
        return isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer()
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    types = {"null": type(None), "boolean": bool, "string": str, "array": list, "object": dict}
    return isinstance(value, types.get(kind, ()))


def _listed(kinds: Any) -> list[str]:
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _types(left: Any, right: Any) -> Any:
    kinds = [kind for kind in _listed(left) if kind in _listed(right)]
    if not kinds and "number" in (*_listed(left), *_listed(right)) and "integer" in (*_listed(left), *_listed(right)):
        kinds = ["integer"]
    if not kinds:
        raise Unsatisfiable("no type fits")
    return kinds[0] if len(kinds) == 1 else kinds


def _enums(left: list[Any], right: list[Any]) -> list[Any]:
    known = {_key(value) for value in right}
    shared = [value for value in left if _key(value) in known]
    if not shared:
        raise Unsatisfiable("no value of an enum fits")
    return shared


def _key(value: Any) -> Hashable:
    """The same for values that are the same in JSON: 1 is 1.0, and not true."""
    if isinstance(value, dict | list):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return isinstance(value, bool), value


def _consts(left: Any, right: Any) -> Any:
    if left != right:
        raise Unsatisfiable("two constants exclude each other")
    return left


def _both(left: Any, right: Any) -> Any:
    if left is True or right is True:
        return right if left is True else left
    return left if left == right else {"allOf": [left, right]}


def _each(left: Mapping[str, Any], right: Mapping[str, Any]) -> Flat:
    return {**left, **right, **{key: _both(left[key], right[key]) for key in left if key in right}}


def _prefixes(left: list[Any], right: list[Any]) -> list[Any]:
    shared = [_both(*pair) for pair in zip(left, right, strict=False)]
    return shared + (left if len(left) > len(right) else right)[len(shared) :]


def _patterns(left: str, right: str) -> str:
    """The longer one tells more; the validator has the last word."""
    return max(left, right, key=len)


def _later(_: Any, right: Any) -> Any:
    return right


_COMBINING = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas"})

_MERGERS: dict[str, Callable[[Any, Any], Any]] = {
    "type": _types,
    "enum": _enums,
    "const": _consts,
    "properties": _each,
    "patternProperties": _each,
    "additionalProperties": _both,
    "unevaluatedProperties": _both,
    "propertyNames": _both,
    "items": _both,
    "contains": _both,
    "prefixItems": _prefixes,
    "required": lambda left, right: list(dict.fromkeys([*left, *right])),
    "pattern": _patterns,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min),
}
