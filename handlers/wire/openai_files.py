"""Files as OpenAI's clients send and read them: one upload, one download, pages by the last id."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote

from handlers.core.call import Call
from handlers.core.errors import Invalid, RangeNotSatisfiable
from handlers.core.files import File, FilePage, NewFile
from handlers.wire.reply import ByteStream
from handlers.wire.upload import StreamedForm

OCTETS = "application/octet-stream"
MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:\s*;\s*[\w-]+=(?:[\w.+-]+|\"[\w .+-]*\"))*", re.ASCII)
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
UNPRINTABLE = re.compile(r"[^\x20-\x7e]|[\"\\%]")


async def create(form: StreamedForm, call: Call, read_purpose: Callable[[str], str] = str) -> File:
    """Stores a form's file. `read_purpose` makes a file's purpose of what the form says, and may raise `Invalid`."""

    def describe() -> NewFile:
        return NewFile(
            filename=form.filename,
            purpose=read_purpose(_text(form.fields, "purpose")),
            media_type=media_type_of(form.media_type),
            expires_after_seconds=_lasting(form.fields.get("expires_after")),
        )

    return await call.services.files.create(call.caller.project_id, form.chunks, describe)


def media_type_of(named: str) -> str:
    """What a sender says, where it is a media type."""
    return named if MEDIA_TYPE.fullmatch(named) else OCTETS


def page(
    limit: int | None, after: str | None, purpose: str | None, *, default: int, order: str | None = None
) -> FilePage:
    """A negative limit is all, as in other lists of these APIs."""
    limit = default if limit is None else limit
    return FilePage(limit=None if limit < 0 else limit, after=after, purpose=purpose, newest_first=order != "asc")


async def content(file_id: str, call: Call) -> ByteStream:
    """The file's bytes, or the part of them that a `Range` asks for; 304 when its reader has them already
    (RFC 9110: 13, 14)."""
    files = call.services.files
    file = await files.get(call.caller.project_id, file_id)
    headers = {
        "etag": f'"{file.sha256}"',
        "accept-ranges": "bytes",
        "content-disposition": disposition(file.filename),
        "x-content-type-options": "nosniff",
        "cache-control": "private",
    }
    if _names(call.headers.get("if-none-match", ""), headers["etag"]):
        return ByteStream(_nothing(), 0, file.media_type, 304, headers)
    wanted = _range(call.headers, file)
    start, stop = wanted or (0, file.size_bytes)
    if wanted is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size_bytes}"
    status = 200 if wanted is None else 206
    return ByteStream(await files.open(file, start, stop), stop - start, file.media_type, status, headers)


def render(file: File) -> dict[str, Any]:
    """What all of these APIs say of a file."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at.timestamp()),
        "filename": file.filename,
        "purpose": file.purpose,
    }


def disposition(filename: str) -> str:
    """`attachment`, with a name that no header can be broken with: plain for old readers, and whole in UTF-8 (RFC 6266,
    RFC 8187)."""
    plain = UNPRINTABLE.sub("_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"


def _names(listed: str, etag: str) -> bool:
    names = [name.strip().removeprefix("W/") for name in listed.split(",")]
    return etag in names or names == ["*"]


def _range(headers: Mapping[str, str], file: File) -> tuple[int, int] | None:
    """Start and stop; None is all of it. Several ranges, and those for another version, are not obeyed, as anybody may.
    Raises `RangeNotSatisfiable`."""
    found = RANGE.fullmatch(headers.get("range", "").replace(" ", ""))
    if found is None or not (found[1] or found[2]) or headers.get("if-range", f'"{file.sha256}"') != f'"{file.sha256}"':
        return None
    if not found[1]:
        start, stop = max(0, file.size_bytes - int(found[2])), file.size_bytes
    else:
        start, stop = int(found[1]), min(int(found[2] or file.size_bytes) + 1, file.size_bytes)
        if found[2] and int(found[2]) < start:
            return None
    if start >= stop:
        beyond = {"Content-Range": f"bytes */{file.size_bytes}"}
        raise RangeNotSatisfiable(f"the file has {file.size_bytes} bytes", headers=beyond)
    return start, stop


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise Invalid(f"{name} must be one text", param=name)
    return value


def _lasting(expires_after: Any) -> int | None:
    """OpenAI's `{"anchor": "created_at", "seconds": 3600}`, an hour to 30 days. Raises `Invalid`."""
    if expires_after is None or expires_after == "":
        return None
    fields = expires_after if isinstance(expires_after, dict) else {}
    seconds = str(fields.get("seconds", ""))
    if fields.get("anchor") != "created_at" or not (seconds.isdecimal() and 3600 <= int(seconds[:9]) <= 2_592_000):
        message = "expires_after must have the anchor created_at and 3600 to 2592000 seconds"
        raise Invalid(message, param="expires_after")
    return int(seconds)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield
