"""What callers bring to be searched: a text, or an address at which a document stands."""

from __future__ import annotations

import asyncio
import re
import tempfile
from base64 import b64decode
from binascii import Error as NoBase64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.retrieval.chunking import Auto, Chunk, Static, chunk
from providers.errors import ProviderError, Unreadable
from providers.extraction.interface import Section

LARGEST_BYTES = 64 * 2**20
FETCH_SECONDS = 60.0
ADDRESS = re.compile(r"(?:data:|https?://|file://)\S*", re.IGNORECASE)
PLAIN = frozenset({None, "", "text/plain", "text/markdown"})


@dataclass(frozen=True, slots=True)
class _Content:
    body: bytes
    media_type: str | None
    filename: str


def is_address(text: str) -> bool:
    return ADDRESS.fullmatch(text.strip()) is not None


async def cut_text(text: str, media_type: str | None, strategy: Static | Auto, call: Call) -> list[Chunk]:
    """A text as the document that it is said to be. Raises `Invalid`."""
    if not text.strip():
        raise Invalid("the document holds no text", code="empty", param="documents")
    if media_type in PLAIN:
        sections: Sequence[Section] = [Section(text.replace("\r\n", "\n"))]
    else:
        sections = await _extract(_Content(text.encode("utf-8", "replace"), media_type, ""), call)
    return await asyncio.to_thread(chunk, sections, strategy)


async def cut_address(url: str, media_type: str | None, strategy: Static | Auto, call: Call) -> list[Chunk]:
    """The document that stands there; `media_type` is what the caller says it is. Raises `Invalid` for one that cannot
    be had, or not be read."""
    url = url.strip()
    is_inline = url[:5].lower() == "data:"
    content = await asyncio.to_thread(_unpack, url) if is_inline else await _fetch(url, call)
    if media_type:
        content = _Content(content.body, media_type, content.filename)
    return await asyncio.to_thread(chunk, await _extract(content, call), strategy)


def _unpack(url: str) -> _Content:
    head, comma, data = url[5:].partition(",")
    media_type, *parameters = head.split(";")
    if not comma:
        raise _refuse("the data: URL has no comma")
    body = unquote_to_bytes(data)
    if "base64" in [parameter.strip().lower() for parameter in parameters]:
        try:
            body = b64decode(body, validate=True)
        except (NoBase64, ValueError):
            raise _refuse("the data: URL is no base64") from None
    if len(body) > LARGEST_BYTES:
        raise _refuse(f"the document has more than {LARGEST_BYTES} bytes")
    return _Content(body, media_type.strip().lower() or "text/plain", "")


async def _fetch(url: str, call: Call) -> _Content:
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            page = await call.services.fetcher.get(url, LARGEST_BYTES)
    except ProviderError as error:
        raise _refuse(f"{url} cannot be fetched: {error.message}") from error
    except TimeoutError as error:
        raise _refuse(f"{url} could not be fetched within {FETCH_SECONDS:g} s") from error
    if page.status != 200:
        raise _refuse(f"{url} cannot be fetched: its server answered {page.status}")
    media_type = page.headers.get("content-type", "").partition(";")[0].strip().lower()
    return _Content(page.body, media_type or None, Path(urlsplit(url).path).name)


async def _extract(content: _Content, call: Call) -> Sequence[Section]:
    retrieval = call.services.retrieval
    await asyncio.to_thread(retrieval.folder.mkdir, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=retrieval.folder) as copy:
        path = Path(copy.name)
        await asyncio.to_thread(path.write_bytes, content.body)
        try:
            return await retrieval.extractor.extract(path, content.filename, content.media_type)
        except Unreadable as unreadable:
            raise Invalid(unreadable.message, code=unreadable.code, param="documents") from None


def _refuse(message: str) -> Invalid:
    return Invalid(message, code="document_not_available", param="documents")
