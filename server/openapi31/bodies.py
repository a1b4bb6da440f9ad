"""Reading a request body off the wire, within limits, and into Python values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.datastructures import Headers, UploadFile

from handlers.core.errors import Invalid, TimedOut, TooLarge
from handlers.wire.upload import Upload
from server.openapi31.values import TooDeep, load_json, parse_literal
from server.request import Request

MEBIBYTE = 1024 * 1024
DRAIN_BYTES = 16 * MEBIBYTE
DRAIN_SECONDS = 2.0
IDLE_SECONDS = 60.0
MAX_FIELDS = 1000


class Disconnected(Exception):
    """The client hung up before its body was complete."""


async def read_chunks(
    receive: Any, limit_bytes: int, idle_seconds: float = IDLE_SECONDS
) -> AsyncGenerator[bytes, None]:
    """The body in pieces. Raises `TooLarge` past the limit, `TimedOut` when nothing comes, `Disconnected`."""
    size = 0
    while True:
        message = await _receive(receive, idle_seconds)
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit_bytes:
            if message.get("more_body"):
                await drain(receive)
            raise too_large(limit_bytes)
        if chunk:
            yield chunk
        if not message.get("more_body", False):
            return


def too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit_bytes / MEBIBYTE:g} MiB", headers={"Connection": "close"})


async def _receive(receive: Any, idle_seconds: float) -> Any:
    """What is there already takes no timer."""
    receiving = receive().__await__()
    try:
        waited_for = next(receiving)
    except StopIteration as there:
        return there.value
    try:
        async with asyncio.timeout(idle_seconds):
            return await Begun(receiving, waited_for)
    except TimeoutError:
        raise TimedOut(f"nothing came for {idle_seconds:g} seconds", headers={"Connection": "close"}) from None


@dataclass(frozen=True, slots=True)
class Begun:
    """Goes on with what was begun to be awaited, from what it waits for."""

    begun: Generator[Any, None, Any]
    waits_for: Any

    def __await__(self) -> Generator[Any, None, Any]:
        waits_for = self.waits_for
        try:
            while True:
                try:
                    yield waits_for
                except BaseException as error:
                    waits_for = self.begun.throw(error)
                else:
                    waits_for = next(self.begun)
        except StopIteration as done:
            return done.value


async def drain(receive: Any) -> None:
    """Reads on for a moment, because a client that is still sending does not see an answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while size < DRAIN_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


async def read_all(receive: Any, limit_bytes: int, idle_seconds: float = IDLE_SECONDS) -> bytes:
    message = await _receive(receive, idle_seconds)
    if message["type"] == "http.request" and not message.get("more_body") and len(message["body"]) <= limit_bytes:
        whole: bytes = message["body"]  # as nearly all come
        return whole
    return b"".join([chunk async for chunk in read_chunks(_again(message, receive), limit_bytes, idle_seconds)])


def _again(message: Any, receive: Any) -> Any:
    """`receive` with what was read given out once more."""
    read = [message]

    async def give() -> Any:
        return read.pop() if read else await receive()

    return give


def parse_json(text: bytes) -> Any:
    """Raises `Invalid`. The message names the place, never the text."""
    try:
        return load_json(text)
    except orjson.JSONDecodeError as error:
        fault: dict[str, object] = {"loc": ["body"], "msg": f"malformed JSON: {error.msg}", "type": "json"}
        raise Invalid(
            f"malformed JSON: {error.msg} at byte {error.pos}", code="malformed_json", errors=[fault]
        ) from None
    except TooDeep as error:
        raise Invalid(f"the JSON is {error}", code="json_too_deep") from None


async def read_form(request: Request, chunks: AsyncGenerator[bytes, None], limit_bytes: int) -> dict[str, Any]:
    """A multipart form: text fields as text, files as `Upload`, repeated fields (or `name[]`) as lists, and
    `name[key]` as objects, of which a later one wins over what else has the name.

    The files live until `request.close()`. Raises `Invalid`, and what `chunks` raises.
    """
    from starlette.formparsers import MultiPartException, MultiPartParser

    parser = MultiPartParser(Headers(request.headers), chunks, max_fields=MAX_FIELDS, max_part_size=limit_bytes)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise Invalid(f"malformed multipart body: {error}", code="malformed_multipart") from None
    fields: dict[str, Any] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            media_type = value.content_type or "application/octet-stream"
            upload = Upload(value.filename or "upload", media_type, value.size or 0, value.file)
            request.uploads.append(upload)
            put_field(fields, name, upload)
        else:
            put_field(fields, name, value)
    return fields


def put_field(fields: dict[str, Any], name: str, value: Any) -> None:
    """A form's field among those that came before it."""
    base, bracket, key = name.partition("[")
    if not (bracket and key.endswith("]")):
        fields[name] = value if name not in fields else [*_as_list(fields[name]), value]
    elif key == "]":
        fields[base] = [*_as_list(fields.get(base, [])), value]
    else:
        nested = fields.get(base)
        fields[base] = {**(nested if isinstance(nested, dict) else {}), key[:-1]: value}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def parse_field(text: str) -> Any:
    """A form field that its schema wants as an object or array, sent as JSON text; text where it is neither."""
    try:
        return parse_literal(text)
    except ValueError:
        return text
