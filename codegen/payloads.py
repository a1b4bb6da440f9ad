"""Finds the bodies of an operation: media type, where their schema is, and what their model is called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from codegen.load import DocumentError
from codegen.normalise import Source
from codegen.operation import Json, Payload, Response
from codegen.pointer import point, resolve

RESERVED = frozenset({"Annotated", "Any", "ConfigDict", "Field", "Integer", "Literal", "None", "RootModel", "View"})
COMPONENTS = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Names:
    """Class names of the generated models by the pointer of their schema."""

    api: str
    by_pointer: dict[str, str]

    def model(self, pointer: str) -> str | None:
        name = self.by_pointer.get(pointer)
        return name and f"codegen.generated.{self.api}.models.{name}"


def name_models(api: str, document: dict[str, Any], sources: Sequence[Source]) -> Names:
    """One name for each component schema, each inline JSON request body and each inline JSON 2xx answer.

    Raises `DocumentError` when two would share a name.
    """
    names = {point("components", "schemas", name): name_class(name) for name in document["components"]["schemas"]}
    for source in sources:
        for suffix, payloads in _json_payloads(document, source):
            for number, payload in enumerate(payloads, 1):
                if payload.schema and payload.schema not in names:
                    names[payload.schema] = pascal(source.operation_id) + suffix + (str(number) if number > 1 else "")
    taken: dict[str, str] = {}
    for pointer, name in names.items():
        if taken.setdefault(name, pointer) != pointer:
            raise DocumentError(f"{pointer} and {taken[name]} would both make the model {name}")
    return Names(api, names)


def _json_payloads(document: Json, source: Source) -> Iterator[tuple[str, list[Payload]]]:
    body, _ = read_body(document, source)
    yield "Request", [payload for payload in body if is_json(payload.media_type)]
    answers = [answer for answer in read_responses(document, source) if answer.status.startswith("2")]
    yield "Response", [payload for answer in answers for payload in answer.payloads if is_json(payload.media_type)]


def is_json(media_type: str) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    return essence == "application/json" or essence.endswith("+json")


def name_class(name: str) -> str:
    """The model of a component; a name that the module of the models imports is set apart from it, and from what the
    generator would make of that (`AnyModel`)."""
    return f"{pascal(name)}Schema" if pascal(name) in RESERVED else pascal(name)


def pascal(name: str) -> str:
    words = [word for word in re.split(r"[^A-Za-z0-9]+|_", name) if word]
    joined = "".join(word[0].upper() + word[1:] for word in words)
    return f"N{joined}" if joined[:1].isdigit() else joined


def read_body(document: Json, source: Source, names: Names | None = None) -> tuple[tuple[Payload, ...], bool]:
    """The request body's payloads, and whether it must be sent."""
    if "requestBody" not in source.node:
        return (), False
    pointer = follow(document, point("paths", source.path, source.method, "requestBody"))
    return _read_content(document, pointer, names), bool(resolve(document, pointer).get("required", False))


def read_responses(document: Json, source: Source, names: Names | None = None) -> tuple[Response, ...]:
    found = []
    for status in source.node.get("responses", {}):
        pointer = follow(document, point("paths", source.path, source.method, "responses", status))
        success = status.startswith("2")
        found.append(Response(status, _read_content(document, pointer, names if success else None)))
    return tuple(sorted(found, key=lambda response: response.status))


def _read_content(document: Json, pointer: str, names: Names | None) -> tuple[Payload, ...]:
    payloads = []
    for media_type, content in resolve(document, pointer).get("content", {}).items():
        schema = None
        if "schema" in content:
            schema = follow(document, pointer + point("content", media_type, "schema")[1:])
        model = names.model(schema) if names and schema and is_json(media_type) else None
        payloads.append(Payload(media_type, schema, model))
    return tuple(payloads)


def follow(document: Json, pointer: str) -> str:
    """The pointer itself, or where it leads when all that is there is a reference with annotations beside it."""
    seen: set[str] = set()
    while pointer not in seen:
        seen.add(pointer)
        node = resolve(document, pointer)
        if not isinstance(node, dict) or "$ref" not in node or set(node) - {"$ref", "description", "title", "summary"}:
            return pointer
        pointer = node["$ref"]
    raise DocumentError(f"{pointer} refers to itself")
