"""What is judged twice: each schema of a served document that has a model, and values around its every keyword."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from codegen.operation import Json
from codegen.payloads import is_json, name_class
from codegen.pointer import point, resolve
from tests.unit.codegen.instances import Instances
from tests.unit.codegen.served import read_operations, read_served

Wrap = Callable[[Json], Json]
DEEPEST = 8
KINDS: tuple[Json, ...] = (None, True, 0, 7, 7.0, 7.5, -(10**30), "", "7", "true", "text", [], ["text"], {}, {"any": 1})


@dataclass(frozen=True, slots=True)
class Subject:
    """A schema, where it is, and the full name of its model."""

    api: str
    pointer: str
    model: str


def subjects(api: str) -> list[Subject]:
    """Every component, every JSON body and every JSON answer of a success."""
    models = f"codegen.generated.{api}.models"
    found = {
        point("components", "schemas", name): f"{models}.{name_class(name)}"
        for name in read_served(api)["components"]["schemas"]
    }
    for operation in read_operations(api):
        answers = [payload for answer in operation.responses if answer.status[0] == "2" for payload in answer.payloads]
        for payload in [*operation.body, *answers]:
            if is_json(payload.media_type) and payload.schema and payload.model:
                found.setdefault(payload.schema, payload.model)
    return [Subject(api, pointer, model) for pointer, model in found.items()]


class Values:
    """Values for one document, the same for the same seed."""

    def __init__(self, document: Json, seed: int) -> None:
        self.document = document
        self.random = Random(seed)
        self._made = Instances(document, seed)
        self._least = Instances(document, seed, chance=0.0)

    def around(self, pointer: str) -> Iterator[Json]:
        """A small value of the schema, wrong in one place, for every place that is written in the schema and every
        way to be wrong there; most of them are, and a few are right."""
        for schema, wrap in self._sites(resolve(self.document, pointer), lambda value: value, 0):
            for value in self._probes(schema):
                yield wrap(value)

    def strayed(self, pointer: str, count: int) -> Iterator[Json]:
        """Values of the schema, each followed by itself with one part of it changed, anywhere."""
        schema = resolve(self.document, pointer)
        for _ in range(count):
            value = self._made.make(schema)
            yield value
            yield self._stray(value)

    def least(self, schema: Json) -> Json:
        """The smallest value of a schema that is easily found."""
        return self._least.make(schema)

    def _sites(self, schema: Json, wrap: Wrap, depth: int) -> Iterator[tuple[Json, Wrap]]:
        if not isinstance(schema, dict) or depth > DEEPEST:
            return
        yield schema, wrap
        for key in ("anyOf", "oneOf"):
            for branch in schema.get(key, []):
                yield from self._sites(branch, wrap, depth + 1)
        for branch in schema.get("allOf", []):
            rest = self._least.make({"allOf": [other for other in schema["allOf"] if other is not branch]})
            yield from self._sites(branch, _beside(wrap, rest), depth + 1)
        if "items" in schema:
            yield from self._sites(schema["items"], _inside(wrap, max(1, schema.get("minItems", 1))), depth + 1)
        parts = schema.get("properties", {}) | {"x_further": schema.get("additionalProperties", True)}
        if {"properties", "additionalProperties"} & set(schema):
            around = self._least.make({**schema, "type": "object"})
            for name, part in parts.items():
                yield from self._sites(part, _within(wrap, around, name), depth + 1)

    def _probes(self, schema: dict[str, Any]) -> Iterator[Json]:
        yield from KINDS
        for name in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
            if name in schema:
                yield from (schema[name] - 1, schema[name], schema[name] + 1)
        for name in ("minLength", "maxLength"):
            if name in schema:
                yield from ("x" * length for length in (schema[name] - 1, schema[name], schema[name] + 1))
        for name in ("minItems", "maxItems"):
            if name in schema:
                item = self._least.make(schema.get("items", {}))
                yield from ([item] * length for length in (schema[name] - 1, schema[name], schema[name] + 1))
        yield from schema.get("enum", [])
        if "const" in schema:
            yield schema["const"]
        if "properties" in schema or "required" in schema:
            value = self._least.make({**schema, "type": "object"})
            yield value
            yield {**value, "x_unheard_of": [{}]}
            for name in schema.get("required", []):
                yield {key: part for key, part in value.items() if key != name}

    def _stray(self, value: Json) -> Json:
        """One part replaced, taken away or added."""
        inner = value if isinstance(value, dict | list) and value else None
        if inner is None or self.random.random() < 0.2:
            return self.random.choice(KINDS)
        key = self.random.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
        copy = dict(inner) if isinstance(inner, dict) else list(inner)
        if self.random.random() < 0.3:
            del copy[key]
        else:
            copy[key] = self._stray(inner[key])
        return copy


def _beside(wrap: Wrap, rest: Json) -> Wrap:
    return lambda value: wrap({**rest, **value} if isinstance(value, dict) and isinstance(rest, dict) else value)


def _inside(wrap: Wrap, count: int) -> Wrap:
    return lambda value: wrap([value] * count)


def _within(wrap: Wrap, around: dict[str, Any], name: str) -> Wrap:
    return lambda value: wrap({**around, name: value})
