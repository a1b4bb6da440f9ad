"""What stands at a dataset's address: a `data:` URL, an uploaded file of the project's, or a page on the web.

`file://` and its like name uploaded files by their ids. Nothing names a file of the server's own disk.
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from binascii import Error as NotBase64
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from handlers.core.call import Call
from handlers.core.errors import Invalid, TooLarge
from providers.errors import ProviderError

LARGEST_BYTES = 64 * 2**20
FETCH_SECONDS = 60.0
_UPLOADED = re.compile(r"(?:(?:file|files|lsfs)://)?/?(file-[A-Za-z0-9_-]{1,200})")


class Content(NamedTuple):
    """`hint` is a media type, or a file's name."""

    body: bytes
    hint: str


async def fetch(uri: str, call: Call) -> Content:
    """Raises `Invalid`, `TooLarge`, and `NotFound` for an uploaded file."""
    if uri.startswith("data:"):
        return await asyncio.to_thread(_inline, uri)
    uploaded = _UPLOADED.fullmatch(uri)
    if uploaded is not None:
        file = await call.services.files.get(call.caller.project_id, uploaded[1])
        return Content(await call.services.files.read(file, LARGEST_BYTES), file.filename)
    if uri.startswith(("http://", "https://")):
        return await _page(uri, call)
    message = "the address must be a data: URL, the id of an uploaded file, or begin with http:// or https://"
    raise Invalid(message, code="unsupported_uri", param="uri")


def _inline(uri: str) -> Content:
    """RFC 2397; `data:csv;base64,...` too, which names no whole media type."""
    head, comma, body = uri.removeprefix("data:").partition(",")
    if not comma:
        raise Invalid("a data: URL needs a comma before its data", code="malformed_data_url", param="uri")
    content = unquote_to_bytes(body)
    if head.endswith(";base64"):
        try:
            content = b64decode(content + b"=" * (-len(content) % 4), validate=True)
        except NotBase64:
            raise Invalid("the data: URL is not base64", code="malformed_data_url", param="uri") from None
    if len(content) > LARGEST_BYTES:
        raise TooLarge(f"a dataset's content must have {LARGEST_BYTES} bytes at most", code="dataset_too_large")
    return Content(content, head.partition(";")[0])


async def _page(url: str, call: Call) -> Content:
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            page = await call.services.fetcher.get(url, LARGEST_BYTES)
    except (ProviderError, TimeoutError) as error:
        reason = error.message if isinstance(error, ProviderError) else f"nothing came within {FETCH_SECONDS:g} s"
        raise Invalid(f"the address cannot be read: {reason}", code="address_not_available", param="uri") from error
    if page.status != 200:
        message = f"the address cannot be read: its server answered {page.status}"
        raise Invalid(message, code="address_not_available", param="uri")
    path = urlsplit(url).path.rpartition("/")[2]
    named = page.headers.get("content-type", "").partition(";")[0]
    return Content(page.body, path if re.search(r"\.(csv|jsonl?|parquet)$", path) else named)
