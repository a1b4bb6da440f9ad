"""Walks JSON schemas, and the two rewritings that an overlay action cannot compute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codegen.load import DocumentError
from codegen.operation import Json
from codegen.pointer import resolve

MAPS = ("properties", "patternProperties", "$defs", "dependentSchemas")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLES = (
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "not",
    "contains",
    "propertyNames",
    "if",
    "then",
    "else",
)

ANNOTATIONS = ("default", "deprecated", "description", "examples", "example", "title", "readOnly", "writeOnly")


def kinds_of(schema: dict[str, Any]) -> list[str]:
    """The types that a schema names."""
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def subschemas(schema: Json) -> Iterator[dict[str, Any]]:
    """The schema itself and every schema written inside it, references unfollowed; booleans are left out."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key in MAPS:
        for child in schema.get(key, {}).values():
            yield from subschemas(child)
    for key in LISTS:
        for child in schema.get(key, []):
            yield from subschemas(child)
    for key in SINGLES:
        yield from subschemas(schema.get(key))


def roots(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema that a part of the document other than a schema holds."""
    components = dict(document.get("components", {}))
    yield from components.pop("schemas", {}).values()
    yield from _content_schemas([components, document["paths"]])


def _content_schemas(node: Json) -> Iterator[dict[str, Any]]:
    """The values of `schema` keys, which in paths and components belong to media types, parameters and headers only."""
    if isinstance(node, list):
        for child in node:
            yield from _content_schemas(child)
    elif isinstance(node, dict):
        for key, child in node.items():
            if key == "schema":
                yield child
            elif key not in ("example", "examples"):
                yield from _content_schemas(child)


def references(document: dict[str, Any]) -> Iterator[str]:
    """What the document's schemas refer to."""
    for root in roots(document):
        for node in subschemas(root):
            if "$ref" in node:
                yield node["$ref"]


def reachable(document: dict[str, Any], schema: Json) -> Iterator[dict[str, Any]]:
    """Every schema inside this one, with those that references lead to; each once."""
    seen: set[int] = set()
    waiting = [schema]
    while waiting:
        for node in subschemas(waiting.pop()):
            if id(node) not in seen:
                seen.add(id(node))
                yield node
                if "$ref" in node:
                    waiting.append(resolve(document, node["$ref"]))


def hoist_definitions(document: dict[str, Any]) -> None:
    """Moves `$defs` to the components, where the `#/$defs/...` pointers to them are made to lead.

    Such pointers are right in a document of one schema and lead nowhere in an OpenAPI document. Raises `DocumentError`
    when the components have another schema of the same name.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for node in [node for root in list(roots(document)) for node in subschemas(root)]:
        for name, schema in node.pop("$defs", {}).items():
            if schemas.setdefault(name, schema) != schema:
                raise DocumentError(f"two different schemas are called {name}")
        if node.get("$ref", "").startswith("#/$defs/"):
            node["$ref"] = node["$ref"].replace("#/$defs/", "#/components/schemas/", 1)


def widen_unions(document: dict[str, Any]) -> None:
    """Makes `oneOf` an `anyOf`.

    The documents write `oneOf` for unions whose members overlap (a known tool's name or any string; integer or number),
    which refuses just the values that two members accept. Members that only require properties mean what they say.
    """
    for node in [node for root in roots(document) for node in subschemas(root)]:
        if "anyOf" not in node and not all(_only_requires(branch) for branch in node.get("oneOf", [])):
            node["anyOf"] = node.pop("oneOf")


def _only_requires(schema: Json) -> bool:
    return isinstance(schema, dict) and set(schema) == {"required"}


def allow_nulls(document: dict[str, Any]) -> None:
    """Lets null stand for every optional property of a request body."""
    bodies = [body for item in document["paths"].values() for body in _request_schemas(document, item)]
    for node in [node for body in bodies for node in reachable(document, body)]:
        for name, schema in node.get("properties", {}).items():
            if name not in node.get("required", []):
                node["properties"][name] = nullable(schema)


def _request_schemas(document: Json, item: dict[str, Any]) -> Iterator[Json]:
    for operation in item.values():
        if isinstance(operation, dict) and "requestBody" in operation:
            body = operation["requestBody"]
            body = resolve(document, body["$ref"]) if "$ref" in body else body
            for content in body.get("content", {}).values():
                yield content.get("schema")


def nullable(schema: Json) -> Json:
    """The schema, allowing null too. A new value; what describes it stays on the outside."""
    if not isinstance(schema, dict) or _takes_null(schema):
        return schema
    inner = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
    outer = {key: value for key, value in schema.items() if key in ANNOTATIONS}
    if not inner:
        return schema
    if "anyOf" in schema and not set(schema) & {"type", "enum", "const", "$ref", "allOf"}:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    if isinstance(schema.get("type"), str) and not set(schema) & {"$ref", "const", "enum", *LISTS}:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [inner, {"type": "null"}], **outer}


def _takes_null(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return True
    return any(isinstance(branch, dict) and _takes_null(branch) for branch in schema.get("anyOf", []))
