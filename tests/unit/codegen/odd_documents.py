"""Small documents at random, as odd as the specification lets them be.

References may be recursive where a value can end: in optional properties, items and maps. Elsewhere they lead to
components further up only, so that every schema has values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from codegen.operation import Json

PROPERTIES = (
    "class", "from", "None", "self", "type", "id", "schema", "json", "copy", "model_config", "model_dump", "a-b", "a_b",
    "a b", "1st", "_private", "__init__", "größe", "名前", "field", "list", "int", "str", "Any", "dict", "x.y", "$id",
    "A", "a", "é", "'quoted'", '"double"', "back\\slash", "new\nline", "{braces}", "", "root", "default", "validate",
)  # fmt: skip
COMPONENTS = (
    "Thing", "list", "Any", "class", "Model", "None", "snake_case", "kebab-case", "dotted.name", "1st", "Field", "View",
    "Literal", "int", "Integer", "RootModel", "Annotated", "datetime", "BaseModel", "Response", "str", "self", "Enum",
)  # fmt: skip
OPERATIONS = ("list-things", "get things", "class", "things.create", "größe", "名前", "1st", "None", "ok_name", "async")
TAGS = ("Things", "class", "größe", "名前", "1st", "a/b", "", "errors")
PARAMETERS = ("id", "class", "x-y", "x_y", "x.y", "X-Y", "名前", "field", "1st", "from", "list", "self", "call", "Any")
TEXTS = st.sampled_from(["", "a", "None", "it's", 'say "hi"', "ü", "a\nb", "1", "true", "\\", "{x}"])
NUMBERS = st.sampled_from([0, 1, -1, 7, 1.5, 10**12])
VALUES = TEXTS | NUMBERS | st.booleans() | st.none()
KINDS = ("string", "integer", "number", "boolean")
BOUNDS = [{}, {"minimum": 1}, {"maximum": 10}, {"minLength": 1, "maxLength": 5}, {"format": "uuid"}]
DESCRIBED = [{}, {"description": 'A """text"""\nof lines \\'}, {"default": None}, {"title": "class"}]


@st.composite
def documents(draw: st.DrawFn, most_components: int = 4, most_operations: int = 3) -> dict[str, Any]:
    """An OpenAPI 3.1 document. Some of its operations ask for a key."""
    names = draw(st.lists(st.sampled_from(COMPONENTS), max_size=most_components, unique_by=_likeness))
    components = {}
    for number, name in enumerate(names):
        maker = _Maker(draw, names[:number], names)
        components[name] = maker.object(2) if draw(st.booleans()) else maker.schema(2)
    count = draw(st.integers(1, most_operations))
    ids = draw(st.lists(st.sampled_from(OPERATIONS), min_size=count, max_size=count, unique_by=_likeness))
    operations = [_Maker(draw, names, names).operation(number, ids[number]) for number in range(count)]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Odd", "version": "1"},
        "paths": dict(operations),
        "components": {"schemas": components, "securitySchemes": {"a key": {"type": "http", "scheme": "bearer"}}},
    }


def _likeness(name: str) -> str:
    return "".join(letter for letter in name if letter.isascii() and letter.isalnum()).lower()


@dataclass(frozen=True, slots=True)
class _Maker:
    """The components of `above` may be referred to from anywhere, `every` one only from where a value can end."""

    draw: st.DrawFn
    above: list[str]
    every: list[str]

    def schema(self, depth: int) -> Json:
        kinds = ["plain", "plain", "enum", "const", "anything"]
        if self.above:
            kinds.append("refer")
        if depth > 0:
            kinds += ["object", "object", "array", "anyOf", "oneOf"]
            kinds += ["allOf", "discriminated"] if self.above else []
        kind = self.choose(kinds)
        if kind in ("anyOf", "oneOf"):
            return {kind: [self.schema(depth - 1) for _ in range(self.draw(st.integers(1, 3)))]}
        makers = {"object": self.object, "array": self.array, "allOf": self.all_of}
        if kind in makers:
            return makers[kind](depth)
        return self.simple(kind)

    def simple(self, kind: str) -> Json:
        if kind == "refer":
            return self.refer(self.above)
        if kind == "discriminated":
            names = self.draw(st.lists(st.sampled_from(self.above), min_size=1, max_size=3, unique=True))
            tag = {"propertyName": "type"}
            return {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names], "discriminator": tag}
        if kind == "enum":
            return {"enum": self.draw(st.lists(VALUES, min_size=1, max_size=3, unique_by=repr))}
        if kind == "const":
            return {"const": self.draw(VALUES)}
        return self.choose([{}, True]) if kind == "anything" else self.plain()

    def plain(self) -> Json:
        kinds = [
            *KINDS,
            *([kind, "null"] for kind in KINDS),
            ["string", "integer"],
            ["integer", "number", "null"],
            "null",
        ]
        return {"type": self.choose(kinds), **self.choose(BOUNDS), **self.choose(DESCRIBED)}

    def array(self, depth: int) -> Json:
        kind = self.choose(["array", ["array", "null"]])
        return {"type": kind, "items": self.ending(depth - 1)} if self.draw(st.booleans()) else {"type": kind}

    def object(self, depth: int) -> Json:
        names = self.draw(st.lists(st.sampled_from(PROPERTIES), max_size=4, unique=True))
        required = [name for name in names if self.draw(st.booleans())]
        schema: dict[str, Json] = {
            "type": self.choose(["object", "object", ["object", "null"]]),
            "properties": {n: self.schema(depth - 1) if n in required else self.ending(depth - 1) for n in names},
        }
        if required:
            schema["required"] = required
        if self.draw(st.booleans()):
            schema["additionalProperties"] = self.choose([True, False, self.ending(depth - 1)])
        return schema

    def all_of(self, depth: int) -> Json:
        return {"allOf": [self.refer(self.above), *([self.object(depth - 1)] if self.draw(st.booleans()) else [])]}

    def ending(self, depth: int) -> Json:
        """A schema for a place that may stay empty."""
        return self.refer(self.every) if self.every and self.choose([False, False, True]) else self.schema(depth)

    def refer(self, names: list[str]) -> Json:
        return {"$ref": f"#/components/schemas/{self.choose(names)}"}

    def choose(self, values: list[Any]) -> Any:
        return self.draw(st.sampled_from(values))

    def operation(self, number: int, operation_id: str) -> tuple[str, dict[str, Any]]:
        """A path with its one operation, which may share names between its parameters' places."""
        in_path = self.draw(st.lists(st.sampled_from(PARAMETERS), max_size=2, unique=True))
        path = "/".join([f"/odd{number}", *(f"{{{name}}}" for name in in_path)])
        method = self.choose(["get", "post", "put", "delete"])
        node: dict[str, Any] = {
            "parameters": [*self.parameters(in_path)],
            "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": self.schema(2)}}}},
        }
        if self.draw(st.booleans()):
            node["operationId"] = operation_id
        if self.draw(st.booleans()):
            node["security"] = [{"a key": []}]
        if self.draw(st.booleans()):
            node["tags"] = [self.choose(list(TAGS))]
        if method in ("post", "put"):
            content = {"application/json": {"schema": self.schema(2)}}
            node["requestBody"] = {"required": self.draw(st.booleans()), "content": content}
        return path, {method: node}

    def parameters(self, in_path: list[str]) -> Iterator[dict[str, Any]]:
        yield from ({"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in in_path)
        for place in ("query", "header", "cookie"):
            names = st.sampled_from([name for name in PARAMETERS if name.isascii() or place == "query"])
            for name in self.draw(st.lists(names, max_size=3, unique_by=str.lower)):
                schema = self.choose([self.plain(), self.simple("enum"), {"type": "array", "items": self.plain()}])
                if schema.get("type") == "array" and self.draw(st.booleans()):
                    schema["default"] = []
                yield {"name": name, "in": place, "required": self.draw(st.booleans()), "schema": schema}
