"""Path, query and header values as the document's schemas want them.

Parsing only chooses a Python value; whether it is allowed is the validator's word. A text that fits none of the types
a schema names stays text, so that the validator can say what is wrong with it. Beside OpenAPI's own styles this reads
what published clients send: comma-joined lists, `name[key]=value`, and objects written as Python or JSON literals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from codegen.operation import Operation, Parameter
from handlers.core.errors import Invalid
from server.openapi31.faults import describe
from server.openapi31.specification import Document, Schema
from server.openapi31.values import parse_literal
from server.request import Request

INTEGER = re.compile(r"-?(0|[1-9]\d*)\Z")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?\Z")
MAX_QUERY_FIELDS = 1000
MAX_DIGITS = 400
LARGEST_INTEGER = 2**63 - 1
"""A larger one fits into no database and no JSON of ours: it stays text, which no schema of a number allows."""
WORDS = {"true": True, "false": False, "True": True, "False": False}

Parse = Callable[[str], Any]


def types_of(document: Document, schema: Schema, depth: int = 0) -> frozenset[str]:
    """The JSON types that a schema can accept, as far as its keywords say; every type where they say nothing."""
    if isinstance(schema, bool) or depth > 8:
        return frozenset()
    if "$ref" in schema:
        return types_of(document, document.schema_at(schema["$ref"]), depth + 1)
    if "type" in schema:
        named = schema["type"]
        return frozenset([named] if isinstance(named, str) else named)
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return frozenset(_type_of(value) for value in values)
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    return frozenset().union(*(types_of(document, branch, depth + 1) for branch in branches))


def _type_of(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}
    return names.get(type(value), "object")


def parse_scalar(text: str, types: frozenset[str]) -> Any:
    """`text` as the narrowest of `types` that it spells; text where it spells none."""
    if "boolean" in types and text in WORDS:
        return WORDS[text]
    if len(text) <= MAX_DIGITS:
        if types & {"integer", "number"} and INTEGER.match(text):
            return int(text) if abs(int(text)) <= LARGEST_INTEGER else text
        if "number" in types and NUMBER.match(text):
            return float(text)
    if "null" in types and "string" not in types and text in ("", "null", "None"):
        return None
    return text


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one parameter. `key` is its name with its place; `item_types` are those of an array's items."""

    parameter: Parameter
    key: str
    types: frozenset[str]
    item_types: frozenset[str]

    def read(self, values: list[str]) -> Any:
        if "array" in self.types:
            return self._array(values)
        if "object" in self.types and values[-1][:1] == "{":
            return self._literal(values[-1])
        return parse_scalar(values[-1], self.types)

    def _array(self, values: list[str]) -> Any:
        if len(values) == 1:
            text = values[0]
            if not self.item_types or "object" in self.item_types:
                parsed = self._literal(f"[{text}]" if text[:1] != "[" else text)
                return parsed if isinstance(parsed, list) else text
            if text[:1] == "[" and isinstance(parsed := self._literal(text), list):
                return parsed
            values = text.split(",") if text else []
        return [parse_scalar(value, self.item_types) for value in values]

    @staticmethod
    def _literal(text: str) -> Any:
        try:
            return parse_literal(text)
        except ValueError:
            return text


class Parameters:
    """The compiled parameters of an operation that has any."""

    def __init__(self, document: Document, operation: Operation) -> None:
        self._make: Any = operation.params
        self._readers = [_reader(document, parameter) for parameter in operation.parameters]
        self._readers_of_no_query = [reader for reader in self._readers if reader.parameter.location != "query"]
        properties = {_key(p): {"$ref": document.absolute(p.schema)} for p in operation.parameters}
        self._required = [_key(p) for p in operation.parameters if p.required]
        self._validator = document.compile({"type": "object", "properties": properties, "required": self._required})

    def read(self, request: Request) -> Any:
        """The operation's parameter dataclass. Raises `Invalid`."""
        query = _query(request.query) if request.query else {}
        found: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for reader in self._readers if query else self._readers_of_no_query:
            parameter = reader.parameter
            values = _texts(parameter, request, query)
            value = reader.read(values) if values else _bracketed(parameter.name, query) if query else None
            if "\0" in "".join(values):
                raise Invalid(f"{reader.key}: NUL is not allowed", param=parameter.name)
            if values or value is not None:
                found[reader.key] = fields[parameter.field] = value
        if (found or self._required) and not self._validator.is_valid(found):
            raise describe(self._validator, found, ("query", "path", "header", "cookie"))
        return self._make(**fields)


def _key(parameter: Parameter) -> str:
    return f"{parameter.location}.{parameter.name}"


def _reader(document: Document, parameter: Parameter) -> Reader:
    schema = document.schema_at(parameter.schema)
    return Reader(parameter, _key(parameter), types_of(document, schema), _item_types(document, schema))


def _item_types(document: Document, schema: Schema) -> frozenset[str]:
    for branch in branches(document, schema):
        if "items" in branch:
            return types_of(document, branch["items"])
    return frozenset()


def branches(document: Document, schema: Schema) -> Iterator[dict[str, Any]]:
    """The schema and all that it offers as alternatives."""
    if isinstance(schema, bool):
        return
    if "$ref" in schema:
        yield from branches(document, document.schema_at(schema["$ref"]))
        return
    yield schema
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from branches(document, branch)


def _query(raw: bytes) -> dict[str, list[str]]:
    """Raises `Invalid` when the query is not UTF-8 or has too many fields."""
    fields: dict[str, list[str]] = {}
    try:
        text = raw.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise Invalid(f"the query string is not valid UTF-8, or has over {MAX_QUERY_FIELDS} fields") from None
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return fields


def _texts(parameter: Parameter, request: Request, query: Mapping[str, list[str]]) -> list[str]:
    if parameter.location == "query":
        return query.get(parameter.name) or query.get(parameter.name + "[]") or []
    if parameter.location == "path":
        return [request.path_values[parameter.name]]
    if parameter.location == "header":
        value = request.headers.get(parameter.name.lower())
        return [] if value is None else [value]
    return _cookie(parameter.name, request.headers.get("cookie", ""))


def _cookie(name: str, header: str) -> list[str]:
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return [value]
    return []


def _bracketed(name: str, query: Mapping[str, list[str]]) -> dict[str, str] | None:
    """`name[key]=value` pairs as one object."""
    prefix = name + "["
    found = {
        key[len(prefix) : -1]: values[-1]
        for key, values in query.items()
        if key.startswith(prefix) and key.endswith("]") and len(key) > len(prefix) + 1
    }
    return found or None
