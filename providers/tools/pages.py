"""Reading pages of the web as text, under the outbound rules."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from providers.errors import Refused, TimedOut
from providers.fetch import Fetched, Fetcher
from providers.tools.interface import Page
from providers.vendor import Detail, error_for

LARGEST_BYTES = 4 * 2**20
SECONDS = 30.0
HTML = ("text/html", "application/xhtml+xml")
TEXT = ("text/", "application/json", "application/xml", "application/ld+json")
_ACCEPT = {"accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.5"}


@dataclass(frozen=True, slots=True)
class WebPages:
    """`seconds` are for the whole of it, redirects included."""

    fetcher: Fetcher
    seconds: float = SECONDS
    largest_bytes: int = LARGEST_BYTES

    async def read(self, url: str) -> Page:
        try:
            async with asyncio.timeout(self.seconds):
                fetched = await self.fetcher.get(url, self.largest_bytes, _ACCEPT)
        except TimeoutError as error:
            raise TimedOut(f"the page did not come in {self.seconds:g} s") from error
        if not 200 <= fetched.status < 300:
            raise error_for(fetched.status, f"the page answered {fetched.status}", Detail())
        return await asyncio.to_thread(_read, fetched)


def _read(fetched: Fetched) -> Page:
    from providers.tools.readable import decode, read_html

    content_type = fetched.headers.get("content-type", "text/html").lower()
    if content_type.startswith(HTML):
        readable = read_html(decode(fetched.body, content_type))
        return Page(fetched.url, readable.title, readable.text)
    if content_type.startswith(TEXT):
        return Page(fetched.url, "", decode(fetched.body, content_type))
    kind = content_type.partition(";")[0]
    raise Refused(f"the address holds {kind or 'no text'}, which is no page of text", code="not_a_page")
