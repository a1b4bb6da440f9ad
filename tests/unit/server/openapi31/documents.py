"""A small 3.1 document and requests for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from codegen.operation import Operation, Parameter, Payload
from server.openapi31.specification import Document
from server.request import Request

SCHEMAS: dict[str, Any] = {
    "Limit": {"type": "integer", "minimum": 1, "maximum": 100},
    "MaybeText": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "MaybeNumber": {"anyOf": [{"type": "number"}, {"type": "null"}]},
    "Flag": {"type": "boolean"},
    "Names": {"type": "array", "items": {"type": "string"}},
    "Numbers": {"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]},
    "Filters": {"type": "array", "items": {"$ref": "#/components/schemas/Filter"}},
    "Filter": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]},
    "Address": {"type": "object", "properties": {"uri": {"type": "string"}}, "required": ["uri"]},
    "Text": {"type": "string"},
    "Shape": {
        "oneOf": [
            {"type": "object", "properties": {"kind": {"const": "circle"}}, "required": ["kind"]},
            {
                "type": "object",
                "properties": {"kind": {"const": "square"}, "side": {"type": "number"}},
                "required": ["kind", "side"],
            },
        ]
    },
    "Form": {
        "type": "object",
        "properties": {
            "purpose": {"type": "string", "enum": ["batch", "assistants"]},
            "file": {"type": "string", "format": "binary"},
            "priority": {"type": "integer"},
            "expires_after": {"type": "object", "properties": {"seconds": {"type": "string"}}},
        },
        "required": ["purpose", "file"],
    },
}  # fmt: skip
SCHEMAS["StreamedForm"] = {**SCHEMAS["Form"], "x-streamed": True}


def pointer(name: str) -> str:
    return f"#/components/schemas/{name}"


def document(*operations: Operation) -> Document:
    content = {"openapi": "3.1.0", "paths": {}, "components": {"schemas": SCHEMAS}}
    return Document(content, operations)


def query(name: str, schema: str, *, required: bool = False) -> Parameter:
    field = name.replace("-", "_")
    return Parameter(name, field, "query", required, pointer(schema), "form", True)


def taking(*payloads: Payload, required: bool = True) -> Operation:
    return Operation("things_create", "POST", "/things", "handlers.x", "X", body=payloads, body_required=required)


JSON_SHAPE = Payload("application/json", pointer("Shape"))
FORM = Payload("multipart/form-data", pointer("Form"))
OCTETS = Payload("application/octet-stream", None)


@dataclass
class Wire:
    """A client's body, in pieces."""

    pieces: list[bytes]
    hangs_up: bool = False

    async def receive(self) -> dict[str, Any]:
        if self.pieces:
            piece = self.pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(self.pieces) or self.hangs_up}
        return {"type": "http.disconnect"}


def request(raw_query: bytes = b"", headers: dict[str, str] | None = None, method: str = "POST") -> Request:
    fields = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    return Request({"method": method, "query_string": raw_query, "headers": fields}, "/things")


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])
