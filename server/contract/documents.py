"""Answers held against one document: is this operation, status, media type, header and body in it?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import orjson

from codegen.load import DocumentError
from codegen.operation import Json
from codegen.pointer import point, resolve

URI = "urn:document"
STREAM = "text/event-stream"
DEEPEST = 6
"""Unions inside unions are looked into this far for what is wrong."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One exchange. `path` is the document's template, `sent` the request's JSON body, () where it had none; `headers`
    are by lower-case name."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    content: bytes
    sent: Json = ()

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Departure:
    """How an answer departs from a document. `kind` is `operation`, `status`, `media type`, `header`, `body` or
    `request`; `pointers` lead to where the document would have to say otherwise."""

    kind: str
    says: str
    pointers: tuple[str, ...]


class Judge:
    """One document as a yardstick. Validators are compiled on first need."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._registry = jsonschema_rs.Registry([(URI, document)], draft=jsonschema_rs.Draft202012)
        self._validators: dict[tuple[str, bool], jsonschema_rs.Draft202012Validator | None] = {}

    def judge(self, answer: Answer) -> list[Departure]:
        """Every departure, one for each place in the document."""
        where = point("paths", answer.path, answer.method.lower())
        try:
            operation = resolve(self.document, where)
        except DocumentError:
            says = f"{answer.method} {answer.path} is not in the document"
            return [Departure("operation", says, (where,))]
        found = list(self._of_request(answer, operation, where)) if 200 <= answer.status < 300 else []
        key = next((key for key in spellings(answer.status) if key in operation.get("responses", {})), None)
        if key is None:
            pointers = tuple(f"{where}/responses/{key}" for key in spellings(answer.status))
            return [*found, Departure("status", f"status {answer.status} is not documented", pointers)]
        return [*found, *self._of_response(answer, f"{where}/responses/{key}")]

    def event_schema(self, method: str, path: str) -> str | None:
        """The pointer to what the document says of each event of an operation's stream, if it does say that."""
        pointer, response = self.follow(point("paths", path, method.lower(), "responses", "200"))
        if "schema" not in response.get("content", {}).get(STREAM, {}):
            return None
        pointer, schema = self.follow(f"{pointer}/content/{_step(STREAM)}/schema")
        return None if schema.get("type") == "string" else pointer

    def follow(self, pointer: str) -> tuple[str, Any]:
        """What a pointer leads to, and where that stands, once its `$ref`s are followed."""
        node = resolve(self.document, pointer)
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            pointer = node["$ref"]
            node = resolve(self.document, pointer)
        return pointer, node

    def faults(self, pointer: str, value: Json, kind: str = "body") -> list[Departure]:
        """How a value departs from the schema at a pointer. Formats are promises of an answer, and mere words about a
        request."""
        validator = self._validator(pointer, formats=kind != "request")
        if validator is None:
            return [Departure(kind, "its schema cannot be read: it refers to what is not there", (pointer,))]
        if validator.is_valid(value):
            return []
        found: dict[tuple[str, ...], Departure] = {}
        for error in validator.iter_errors(value):
            pointers = tuple(dict.fromkeys(self._locations(error, pointer)))
            at = "/".join(str(step) for step in error.instance_path) or "the whole"
            found.setdefault(pointers, Departure(kind, f"{at}: {error.message[:300]}", pointers))
        return list(found.values())

    def _of_request(self, answer: Answer, operation: Mapping[str, Any], where: str) -> Iterator[Departure]:
        """What the server took though the document forbids it."""
        if answer.sent == () or "requestBody" not in operation:
            return
        pointer, body = self.follow(f"{where}/requestBody")
        if "schema" in body.get("content", {}).get("application/json", {}):
            yield from self.faults(f"{pointer}/content/application~1json/schema", answer.sent, "request")

    def _of_response(self, answer: Answer, where: str) -> Iterator[Departure]:
        pointer, response = self.follow(where)
        for name, header in response.get("headers", {}).items():
            if header.get("required") and name.lower() not in answer.headers:
                yield Departure("header", f"the header {name} is missing", (f"{pointer}/headers/{_step(name)}",))
        content = response.get("content", {})
        if not content or not answer.content:
            return
        key = _match(answer.media_type, content)
        if key is None:
            says = f"{answer.media_type or 'no media type'} is not documented for status {answer.status}"
            yield Departure("media type", says, (f"{pointer}/content", where))
        elif "schema" in content[key] and _is_json(key.partition(";")[0].strip().lower()):
            yield from self._of_body(answer, f"{pointer}/content/{_step(key)}/schema")

    def _of_body(self, answer: Answer, pointer: str) -> Iterable[Departure]:
        try:
            value = orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            return [Departure("body", f"it is no JSON: {error}", (pointer,))]
        return self.faults(pointer, value)

    def _validator(self, pointer: str, formats: bool) -> jsonschema_rs.Draft202012Validator | None:
        """None when the schema refers to what is not there."""
        key = (pointer, formats)
        if key not in self._validators:
            schema = {"$ref": URI + quote(pointer, safe="#/~:@!$&'()*+,;=")}
            try:
                made = jsonschema_rs.Draft202012Validator(schema, registry=self._registry, validate_formats=formats)
            except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError):
                made = None
            self._validators[key] = made
        return self._validators[key]

    def _locations(self, error: Any, start: str, depth: int = 0) -> Iterator[str]:
        """Where the keyword stands that is broken, and every reference on the way to it; of a union, what is broken in
        each branch."""
        steps = error.schema_path
        yield point(*steps)
        if steps and steps[-1] in ("additionalProperties", "unevaluatedProperties"):
            yield from (point(*steps[:-1], "properties", name) for name in error.kind.unexpected)
        yield from self._references(error.evaluation_path[1:], start)
        for branch in getattr(error.kind, "context", None) or ():
            for inner in branch if depth < DEEPEST else ():
                yield from self._locations(inner, start, depth + 1)

    def _references(self, steps: Sequence[str | int], start: str) -> Iterator[str]:
        """The references that a way through schemas follows from a pointer on."""
        at = start
        for step in steps:
            at += f"/{_step(str(step))}"
            if step == "$ref":
                yield at
                at = str(resolve(self.document, at))


def spellings(status: int) -> tuple[str, str, str]:
    """How a document may name a status, the most exact first."""
    return str(status), f"{status // 100}XX", "default"


def _match(media_type: str, content: Mapping[str, Any]) -> str | None:
    wanted = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((key for name in wanted for key in content if key.partition(";")[0].strip().lower() == name), None)


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def _step(name: str) -> str:
    return point(name)[2:]
