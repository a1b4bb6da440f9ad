"""Requests held against the document, by validators compiled per operation on its first request."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from codegen.operation import Body, Operation, Payload
from handlers.core.errors import Invalid, UnsupportedMedia
from handlers.wire.upload import RawBody, Upload
from server.openapi31.bodies import (
    IDLE_SECONDS,
    drain,
    parse_field,
    parse_json,
    read_all,
    read_chunks,
    read_form,
    too_large,
)
from server.openapi31.faults import describe
from server.openapi31.forms import gathered, open_form
from server.openapi31.parameters import Parameters, branches, parse_scalar, types_of
from server.openapi31.specification import Document, Schema
from server.openapi31.wholes import places_of
from server.request import Request

FORM = "multipart/form-data"
JSON = "application/json"
EXPLAINED_BYTES = 16 * 1024
"""In a larger body only the first fault is looked for."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`idle_seconds` is how long a body may fail to arrive."""

    json_bytes: int
    upload_bytes: int
    idle_seconds: float = IDLE_SECONDS


class RequestValidator:
    """One operation's parameters and bodies."""

    def __init__(self, document: Document, operation: Operation, limits: Limits) -> None:
        self._document = document
        self._limits = limits
        self._parameters = Parameters(document, operation) if operation.params is not None else None
        self._payloads = {payload.media_type.lower(): payload for payload in operation.body}
        self._json_payload = next((payload for name, payload in self._payloads.items() if _is_json(name)), None)
        self._required = operation.body_required
        schema = self._json_payload.schema if self._json_payload is not None else None
        self._json_schema = document.validator(schema) if schema is not None else None
        self._whole = places_of(document, schema) if schema is not None else None

    async def validate(self, request: Request, receive: Any) -> None:
        """Sets `Request.params` and `Request.body`. Raises `Invalid`, `TooLarge`, `UnsupportedMedia`."""
        if self._parameters is not None:
            request.params = self._parameters.read(request)
        if self._payloads:
            named = request.headers.get("content-type", "")
            media_type = named.partition(";")[0].strip().lower()
            if self._json_payload is not None and (not media_type or _is_json(media_type)):
                request.body = await self._json(self._json_payload, request, receive)
            else:
                request.body = await self._other(media_type, request, receive)

    async def _other(self, media_type: str, request: Request, receive: Any) -> Body[Any]:
        payload = self._other_payload(media_type)
        if payload is None:
            if await self._read_all(receive):
                accepted = ", ".join(sorted(self._payloads))
                raise UnsupportedMedia(f"a body of type {media_type!r} is not accepted here, only {accepted}")
            return self._absent()
        if payload.media_type == FORM:
            return await self._form(payload, request, receive)
        if not media_type and _is_empty(request):
            return self._absent()
        await self._check_length(request, receive)
        return Body(RawBody(media_type or payload.media_type, gathered(self._chunks(receive))))

    def _read_all(self, receive: Any) -> Awaitable[bytes]:
        return read_all(receive, self._limits.json_bytes, self._limits.idle_seconds)

    def _chunks(self, receive: Any) -> AsyncGenerator[bytes, None]:
        return read_chunks(receive, self._limits.upload_bytes, self._limits.idle_seconds)

    def _other_payload(self, media_type: str) -> Payload | None:
        if not media_type:
            return next(iter(self._payloads.values()))
        anything = self._payloads.get("*/*")
        return anything if _is_json(media_type) else self._payloads.get(media_type) or anything

    def _absent(self) -> Body[Any]:
        if self._required:
            raise Invalid(
                "a request body is required", errors=[{"loc": ["body"], "msg": "is required", "type": "required"}]
            )
        return Body(None)

    async def _json(self, payload: Payload, request: Request, receive: Any) -> Body[Any]:
        _refuse_encoded(request)
        text = await self._read_all(receive)
        if not text:
            return self._absent()
        data = parse_json(text)
        validator = self._json_schema
        if validator is not None and not validator.is_valid(data):
            raise describe(validator, data, first_only=len(text) > EXPLAINED_BYTES)
        if self._whole is not None:
            data = self._whole.settle(data)
        return Body(data, payload.model)

    async def _form(self, payload: Payload, request: Request, receive: Any) -> Body[Any]:
        _refuse_encoded(request)
        await self._check_length(request, receive)
        if "boundary=" not in request.headers.get("content-type", ""):
            raise Invalid("the multipart body names no boundary", code="malformed_multipart")
        if _is_streamed(self._document, payload):
            return Body(await open_form(request, self._chunks(receive), lambda fields: self._judge(payload, fields)))
        return Body(self._judge(payload, await read_form(request, self._chunks(receive), self._limits.upload_bytes)))

    def _judge(self, payload: Payload, fields: dict[str, Any]) -> dict[str, Any]:
        if payload.schema is None:
            return fields
        schema = self._document.schema_at(payload.schema)
        fields = {name: self._field(schema, name, value) for name, value in fields.items()}
        judged = {name: _as_text(value) for name, value in fields.items()}
        validator = self._document.validator(payload.schema)
        if not validator.is_valid(judged):
            raise describe(validator, judged)
        return fields

    def _field(self, schema: Schema, name: str, value: Any) -> Any:
        properties = _properties(self._document, schema)
        if name not in properties:
            return value
        if isinstance(value, dict):
            return {inner: self._field(properties[name], inner, text) for inner, text in value.items()}
        if not isinstance(value, str):
            return value
        types = types_of(self._document, properties[name])
        return parse_field(value) if types & {"object", "array"} else parse_scalar(value, types)

    async def _check_length(self, request: Request, receive: Any) -> None:
        length, limit_bytes = request.headers.get("content-length", ""), self._limits.upload_bytes
        if length.isdecimal() and int(length) > limit_bytes:
            if "expect" not in request.headers:  # who waits for a word before sending sends nothing now
                await drain(receive)
            raise too_large(limit_bytes)


def _is_streamed(document: Document, payload: Payload) -> bool:
    schema = document.schema_at(payload.schema) if payload.schema is not None else None
    return isinstance(schema, dict) and bool(schema.get("x-streamed"))


def _properties(document: Document, schema: Schema) -> dict[str, Any]:
    return {
        name: inner for branch in branches(document, schema) for name, inner in branch.get("properties", {}).items()
    }


def _is_json(media_type: str) -> bool:
    return media_type == JSON or media_type.endswith("+json")


def _is_empty(request: Request) -> bool:
    """Whether the client says that there is no body (RFC 9112, section 6.3); one of no bytes that has a type is one."""
    return request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers


def _refuse_encoded(request: Request) -> None:
    encoding = request.headers.get("content-encoding")
    if encoding is not None and (encoding := encoding.strip().lower()) not in ("", "identity"):
        raise UnsupportedMedia(f"a body with Content-Encoding {encoding!r} is not accepted: send it as it is")


def _as_text(value: Any) -> Any:
    """Files are text to a schema (`type: string, format: binary`)."""
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return "" if isinstance(value, Upload) else value


class ResponseValidator:
    """Holds answers against the document; for tests and staging."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def fault(self, operation: Operation, status: int, media_type: str, content: Any) -> str | None:
        """What is wrong with a JSON answer, in words, or None."""
        response = next(
            (
                r
                for name in (str(status), f"{status // 100}XX", "default")
                for r in operation.responses
                if r.status == name
            ),
            None,
        )
        if response is None:
            return f"{operation.operation_id} documents no status {status}"
        payload = next((p for p in response.payloads if p.media_type == media_type), None)
        if payload is None:
            return f"{operation.operation_id} documents no {media_type} for {status}" if response.payloads else None
        if payload.schema is None:
            return None
        validator = self._document.validator(payload.schema)
        error: jsonschema_rs.ValidationError | None = next(iter(validator.iter_errors(content)), None)
        return (
            None
            if error is None
            else f"{operation.operation_id} {status}: {list(error.instance_path)}: {error.message}"
        )
