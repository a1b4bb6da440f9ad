"""Tavily. Source: api.tavily.com, `POST /search`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from providers.http import HttpClient
from providers.tools.hits import read_hits
from providers.tools.interface import Hit
from providers.vendor import Vendor
from providers.vendor_api import VendorApi


@dataclass(frozen=True, slots=True)
class Tavily:
    """`http` may be shared and is not closed here."""

    vendor: Vendor
    http: HttpClient
    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        return self.vendor.name

    async def search(self, query: str, most: int) -> Sequence[Hit]:
        api = VendorApi(self.vendor, self.http, {"authorization": f"Bearer {self.vendor.api_key}"}, self.clock)
        body = await api.post("/search", {"query": query, "max_results": most})
        return read_hits(body.get("results"), "content", most)
