"""Brave Search. Source: api.search.brave.com, `GET /res/v1/web/search`."""

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
class Brave:
    """`http` may be shared and is not closed here."""

    vendor: Vendor
    http: HttpClient
    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        return self.vendor.name

    async def search(self, query: str, most: int) -> Sequence[Hit]:
        api = VendorApi(self.vendor, self.http, {"x-subscription-token": self.vendor.api_key or ""}, self.clock)
        body = await api.get("/res/v1/web/search?" + urlencode({"q": query, "count": most}))
        web = body.get("web")
        return read_hits(web.get("results") if isinstance(web, dict) else None, "description", most)
