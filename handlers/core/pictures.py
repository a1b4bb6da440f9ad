"""Pictures that a caller names by address, for vendors in the operator's own network.

Such a vendor would fetch them from inside that network, and what a name means may have changed since it was looked at.
So they are fetched here, from the address that was checked, and sent as data. Vendors on the public internet fetch
for themselves: they reach nothing of the operator's.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from handlers.core.asks import AnyAsk, ChatAsk, Request
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.messages import content_parts
from handlers.core.own_keys import is_elsewhere
from providers.errors import ProviderError, Refused
from providers.inference.interface import ChatRequest

if TYPE_CHECKING:
    from handlers.core.routing import Attempt

LARGEST_BYTES = 20 * 2**20
"""Of all pictures of a request together."""
MOST_PICTURES = 20
FETCH_SECONDS = 30.0
TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


async def check_pictures(ask: AnyAsk, call: Call) -> None:
    """A vendor would fetch what it is told to. Raises `Invalid` for an address that is not public."""
    if not isinstance(ask, ChatAsk):
        return
    for part in content_parts(ask.messages):
        if url := _address(part):
            try:
                await call.services.addresses.look(url)
            except Refused as error:
                raise Invalid(error.message, code=error.code, param="messages") from error


async def bring_pictures(request: Request, attempt: Attempt, call: Call) -> Request:
    """The request as the attempt's vendor may see it. Raises `Refused` for a picture that cannot be had, which is no
    fault of the vendor's."""
    if not isinstance(request, ChatRequest) or attempt.simulated or is_elsewhere(attempt.own):
        return request
    if not call.services.traits(attempt.deployment.vendor).internal:
        return request
    urls = dict.fromkeys(url for part in content_parts(request.messages) if (url := _address(part)))
    if not urls:
        return request
    if len(urls) > MOST_PICTURES:
        raise _refuse(f"there are more than {MOST_PICTURES} pictures to fetch")
    brought: dict[str, str] = {}
    left = LARGEST_BYTES
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            for url in urls:
                brought[url], size = await _fetch(url, left, call)
                left -= size
    except TimeoutError as error:
        raise _refuse(f"the pictures could not be fetched within {FETCH_SECONDS:g} s") from error
    return replace(request, messages=[_with(message, brought) for message in request.messages])


async def _fetch(url: str, largest_bytes: int, call: Call) -> tuple[str, int]:
    """As a data URL, and its size."""
    try:
        fetched = await call.services.fetcher.get(url, largest_bytes)
    except ProviderError as error:
        raise _refuse(f"the picture {url} cannot be fetched: {error.message}") from error
    if fetched.status != 200:
        raise _refuse(f"the picture {url} cannot be fetched: its server answered {fetched.status}")
    media_type = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in TYPES:
        raise _refuse(f"{url} is no picture in PNG, JPEG, GIF or WebP")
    encoded = await asyncio.to_thread(b64encode, fetched.body)
    return f"data:{media_type};base64,{encoded.decode()}", len(fetched.body)


def _address(part: Mapping[str, Any]) -> str | None:
    """Of a picture that is not in the request itself."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    return url if isinstance(url, str) and url and not url.startswith("data:") else None


def _with(message: dict[str, Any], brought: Mapping[str, str]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    return {**message, "content": [_part(part, brought) for part in content]}


def _part(part: Any, brought: Mapping[str, str]) -> Any:
    url = _address(part) if isinstance(part, dict) else None
    return {**part, "image_url": {**part["image_url"], "url": brought[url]}} if url else part


def _refuse(message: str) -> Refused:
    return Refused(message, param="messages", code="picture_not_available")
