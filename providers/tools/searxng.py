"""SearXNG, wherever the operator runs it; its `search.formats` must hold `json`. Source: SearXNG, `GET /search`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from providers.http import HttpClient
from providers.tools.hits import read_hits
from providers.tools.interface import Hit
from providers.vendor import Vendor
from providers.vendor_api import VendorApi


@dataclass(frozen=True, slots=True)
class Searxng:
    """`http` may be shared and is not closed here. A key is sent as a bearer token, for a proxy before it."""

    vendor: Vendor
    http: HttpClient
    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        return self.vendor.name

    async def search(self, query: str, most: int) -> Sequence[Hit]:
        key = self.vendor.api_key
        api = VendorApi(self.vendor, self.http, {"authorization": f"Bearer {key}"} if key else {}, self.clock)
        body = await api.get("/search?" + urlencode({"q": query, "format": "json"}))
        return read_hits(body.get("results"), "content", most)
