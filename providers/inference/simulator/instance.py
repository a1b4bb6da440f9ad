"""A value that a JSON schema accepts (Draft 2020-12), made from a seed.

The generator builds a likely value and holds it against the schema with a real validator; what it cannot see ahead
(`not`, a `oneOf` that must match once) is met by trying again with other choices.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from providers.inference.simulator import scalars
from providers.inference.simulator.budget import Budget, OutOfBudget, Unsatisfiable
from providers.inference.simulator.schema import Schemas, members, merge

__all__ = ["Unsatisfiable", "make_instance"]

ATTEMPTS = 24
LARGEST_SCHEMA = 10_000
"""Objects in it; OpenAI takes 5000 properties."""

SHALLOW = 4
DEEPEST = 32


def make_instance(schema: Any, seed: str) -> Any:
    """Raises `Unsatisfiable` when the schema is not one, accepts nothing, or is beyond the generator."""
    validator = _validator(schema)
    reason, budget = "no attempt fits", Budget()
    for attempt in range(ATTEMPTS):
        try:
            instance = Instance(schema, random.Random(f"{seed}:{attempt}"), attempt, budget).make()  # noqa: S311
        except Unsatisfiable as error:
            reason = str(error)
            continue
        except OutOfBudget:
            raise Unsatisfiable("it demands too large a value") from None
        if validator.is_valid(instance):
            return instance
    raise Unsatisfiable(reason)


def _validator(schema: Any) -> Any:
    """Remote references are never fetched. Schemas made of several resources are not taken: the validator cannot be
    trusted with some of them; nor are very large ones, which keep everybody else waiting."""
    for number, sub in enumerate(members(schema)):
        if number > LARGEST_SCHEMA:
            raise Unsatisfiable("it is too large")
        if isinstance(sub.get("$dynamicRef"), str) or (sub is not schema and isinstance(sub.get("$id"), str)):
            raise Unsatisfiable("it uses $dynamicRef or has an $id inside")

    def retrieve(uri: str) -> Any:
        raise ValueError(f"{uri} is outside of the schema")

    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=retrieve)
    except (ValueError, TypeError) as error:
        raise Unsatisfiable(str(error).splitlines()[0]) from error


class Instance:
    """One attempt. The first takes the first of every choice, later ones choose at random."""

    def __init__(self, root: Any, rng: random.Random, attempt: int, budget: Budget) -> None:
        self.schemas = Schemas(root, budget)
        self.budget = budget
        self.root = root
        self.rng = rng
        self.attempt = attempt

    def make(self) -> Any:
        return self.value(self.root, "value", 0)

    def value(self, schema: Any, name: str, depth: int) -> Any:
        """`name` is the property that the value is for: it appears in texts."""
        self.budget.spend(1)
        if depth > DEEPEST:
            raise Unsatisfiable("it demands values nested too deep")
        reason = "an empty choice"
        for candidate in self._candidates(schema, depth):
            try:
                return self._flat_value(candidate, name, depth)
            except Unsatisfiable as error:
                reason = str(error)
        raise Unsatisfiable(reason)

    def _candidates(self, schema: Any, depth: int) -> list[dict[str, Any]]:
        candidates = self.schemas.flatten(schema)
        if depth >= SHALLOW:
            candidates.sort(key=_weight)
        elif self.attempt:
            self.rng.shuffle(candidates)
        return candidates

    def _flat_value(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._pick(schema["enum"])
        kind = self._kind(schema, depth)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind == "string":
            return scalars.make_string(schema, name, self.rng, self.budget)
        if kind in ("integer", "number"):
            return scalars.make_number(schema, kind, self.rng)
        return self.rng.random() < 0.5 if kind == "boolean" else None

    def _pick(self, values: list[Any]) -> Any:
        if not values:
            raise Unsatisfiable("an enum without values")
        return self.rng.choice(values)

    def _kind(self, schema: Mapping[str, Any], depth: int) -> str:
        kinds = schema.get("type")
        if isinstance(kinds, str):
            return kinds
        if isinstance(kinds, list):
            if not kinds:
                raise Unsatisfiable("no type fits")
            if self.attempt and depth < SHALLOW:
                return str(self.rng.choice(kinds))
            order = sorted(kinds, key=_KINDS_BY_WEIGHT.index) if depth >= SHALLOW else kinds
            return str(order[0])
        return next((kind for key, kind in _KIND_OF_KEYWORD.items() if key in schema), "string")

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = _required(schema)
        chosen = {**required, **dict.fromkeys(properties)} if depth < SHALLOW else required
        names = [name for name in properties if name in chosen] + [name for name in chosen if name not in properties]
        if len(names) > schema.get("maxProperties", len(names)):
            names = [name for name in names if name in required]
        made = {}
        for name in names:
            try:
                made[name] = self.value(self._property_schema(schema, name), name, depth + 1)
            except Unsatisfiable:
                if name in required:
                    raise
        self._fill_up(schema, made, depth)
        return made

    def _fill_up(self, schema: Mapping[str, Any], made: dict[str, Any], depth: int) -> None:
        """Adds properties until there are `minProperties`."""
        wanted = scalars.length(schema, "minProperties")
        self.budget.spend(max(0, wanted - len(made)))
        spare = [name for name in schema.get("properties", {}) if name not in made]
        for number in range(10 * wanted):
            if len(made) >= wanted:
                return
            name = spare.pop(0) if spare else self._new_name(schema, number)
            if name not in made:
                made[name] = self.value(self._property_schema(schema, name), name, depth + 1)

    def _new_name(self, schema: Mapping[str, Any], number: int) -> str:
        if "propertyNames" in schema:
            return str(self.value(merge({"type": "string"}, schema["propertyNames"]), "name", DEEPEST))
        if schema.get("additionalProperties") is False and schema.get("patternProperties"):
            pattern = self.rng.choice(list(schema["patternProperties"]))
            return scalars.make_string({"pattern": pattern}, "name", self.rng, self.budget)
        return f"property_{number + 1}"

    def _property_schema(self, schema: Mapping[str, Any], name: str) -> Any:
        parts = [schema["properties"][name]] if name in schema.get("properties", {}) else []
        parts += [sub for pattern, sub in schema.get("patternProperties", {}).items() if scalars.matches(pattern, name)]
        if not parts:
            for keyword in ("additionalProperties", "unevaluatedProperties"):
                if keyword in schema:
                    parts = [schema[keyword]]
                    break
        return {"allOf": parts} if parts else {"type": "string"}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        prefix = schema.get("prefixItems", [])
        items = schema.get("items", True)
        containing = scalars.length({"minContains": 1, **schema}, "minContains") if "contains" in schema else 0
        least = max(scalars.length(schema, "minItems"), containing)
        length = max(least, len(prefix), 1 if depth < SHALLOW and items is not False else 0)
        if "maxItems" in schema:
            length = min(length, scalars.length(schema, "maxItems"))
        self.budget.spend(length)
        made: list[Any] = []
        for index in range(length):
            wanted = prefix[index] if index < len(prefix) else items
            if index >= length - containing:
                wanted = {"allOf": [wanted, schema["contains"]]}
            try:
                made.append(self._item(wanted, name, depth + 1, made if schema.get("uniqueItems") else []))
            except Unsatisfiable:
                if len(made) < least:
                    raise
                break
        return made

    def _item(self, schema: Any, name: str, depth: int, others: list[Any]) -> Any:
        for _ in range(ATTEMPTS):
            item = self.value(schema, name, depth)
            if item not in others:
                return item
        raise Unsatisfiable("there are not enough different items")


_KINDS_BY_WEIGHT = ["null", "boolean", "integer", "number", "string", "array", "object"]

_KIND_OF_KEYWORD = {
    "properties": "object",
    "required": "object",
    "additionalProperties": "object",
    "patternProperties": "object",
    "minProperties": "object",
    "propertyNames": "object",
    "items": "array",
    "prefixItems": "array",
    "contains": "array",
    "minItems": "array",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}


def _weight(schema: Mapping[str, Any]) -> int:
    """How deep a value is likely to become: scalars first, so that recursion ends."""
    if "const" in schema or "enum" in schema:
        return 0
    kinds = schema.get("type", "string")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    lightest: int = min((_KINDS_BY_WEIGHT.index(kind) for kind in kinds), default=0)
    demanded: int = len(schema.get("required", ())) + min(schema.get("minItems", 0), 10)
    return lightest + 10 * demanded


def _required(schema: Mapping[str, Any]) -> dict[str, None]:
    """What must be there, and what that demands in turn (`dependentRequired`), in order."""
    names: dict[str, None] = {}
    dependent = schema.get("dependentRequired", {})
    waiting = deque(schema.get("required", ()))
    while waiting:
        name = waiting.popleft()
        if name not in names:
            names[name] = None
            waiting.extend(dependent.get(name, ()))
    return names
