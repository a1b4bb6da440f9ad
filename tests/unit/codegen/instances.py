"""Makes values that a schema allows, at random from a seed: optional properties come and go, every member of a union
and every constant turns up sooner or later."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from codegen.operation import Json
from codegen.pointer import resolve

DEEPEST = 6
MATCHING = ("2026-11", "0:10")


class Instances:
    """`chance` is how often an optional property or a further one is there; without any, values are small and plain."""

    def __init__(self, document: Json, seed: int, chance: float = 0.6) -> None:
        self.document = document
        self.random = Random(seed)
        self.chance = chance

    def make(self, schema: Json, depth: int = 0) -> Json:
        if schema is True or schema == {}:
            return self.random.choice([None, True, 7, 1.5, "any", ["any"], {"any": 1}])
        if "const" in schema:
            return schema["const"]
        if "$ref" in schema:
            return self.make(resolve(self.document, schema["$ref"]), depth)
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if "anyOf" in schema:
            return self.make(self._choose_branch(schema["anyOf"], depth), depth)
        if "allOf" in schema:
            return {key: value for part in schema["allOf"] for key, value in self.make(part, depth).items()}
        return self._make_kind(schema, depth)

    def _choose_branch(self, branches: list[Json], depth: int) -> Json:
        plain = [branch for branch in branches if branch.get("type") in ("null", "string", "integer", "number")]
        return self.random.choice(plain if depth > DEEPEST and plain else branches)

    def _make_kind(self, schema: dict[str, Any], depth: int) -> Json:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = self.random.choice(kind)
        makers = {"object": self._make_object, "array": self._make_array, "string": self._make_string}
        if kind in makers:
            return makers[kind](schema, depth)
        if kind in ("integer", "number"):
            return self._make_number(schema, kind)
        return None if kind == "null" else self.random.random() < 0.5

    def _make_object(self, schema: dict[str, Any], depth: int) -> Json:
        alternatives = [branch["required"] for branch in schema.get("oneOf", [])] or [[]]
        chosen = self.random.choice(alternatives)
        properties, required = schema.get("properties", {}), [*schema.get("required", []), *chosen]
        excluded = {name for names in alternatives for name in names} - set(chosen)
        chance = self.chance if depth <= DEEPEST else 0.0
        value = {
            name: self.make(part, depth + 1)
            for name, part in properties.items()
            if name in required or (name not in excluded and self.random.random() < chance)
        }
        value |= {name: "required" for name in required if name not in properties}
        further = schema.get("additionalProperties", True)
        if further is not False and chance:
            value["x_further"] = self.make(further, depth + 1)
        return value

    def _make_array(self, schema: dict[str, Any], depth: int) -> Json:
        least = schema.get("minItems", 0)
        most = min(schema.get("maxItems", 3), least + 3)
        count = self.random.randint(least, max(least, most)) if depth <= DEEPEST else least
        return [self.make(schema.get("items", {}), depth + 1) for _ in range(count)]

    def _make_string(self, schema: dict[str, Any], _depth: int) -> Json:
        if "pattern" in schema:
            return next(text for text in MATCHING if re.search(schema["pattern"], text))
        least = schema.get("minLength", 0)
        if not self.chance:
            return "x" * least
        most = min(schema.get("maxLength", 12), least + 12)
        return "".join(self.random.choice("abc é7") for _ in range(self.random.randint(least, max(least, most))))

    def _make_number(self, schema: dict[str, Any], kind: str) -> Json:
        least = schema.get("minimum", schema.get("exclusiveMinimum", -5) + (1 if "exclusiveMinimum" in schema else 0))
        most = schema.get("maximum", least + 100)
        first = int(least + 0.999)
        number = self.random.randint(first, max(first, int(most))) if self.chance else first
        return number if kind == "integer" else float(number)
