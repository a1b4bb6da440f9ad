"""The tools that models may use, made from the configuration: a search engine is used when its key, or the address of
one of the operator's own, is in the environment."""

from __future__ import annotations

from providers.fetch import Fetcher
from providers.http import HttpClient, Timeouts
from providers.outbound import Outbound
from providers.tools.interface import Search, Tools
from providers.tools.pages import WebPages
from providers.vendor import Vendor
from server.config import Settings

SECONDS = 20.0
ADDRESSES = {"brave": "https://api.search.brave.com", "tavily": "https://api.tavily.com", "searxng": ""}
"""Search engines in the order in which they are preferred; one without an address is wherever `..._BASE_URL` says."""


class Toolshed:
    def __init__(self, settings: Settings) -> None:
        timeouts = Timeouts(settings.connect_timeout_seconds, SECONDS, SECONDS)
        self._http = HttpClient(timeouts)
        self._outward = HttpClient(timeouts, outbound=Outbound(settings.allow_private_outbound))
        self.tools = Tools(WebPages(Fetcher(self._outward)), self._search(settings))

    async def close(self) -> None:
        await self._http.close()
        await self._outward.close()

    def _search(self, settings: Settings) -> Search | None:
        """Raises `server.config.ConfigError`."""
        for name, address in ADDRESSES.items():
            access = settings.vendor_access(name, f"{name.upper()}_API_KEY")
            key = access.key.get_secret_value() if access.key else None
            base_url = access.base_url or address
            if base_url and (key or not address):
                return _make(name, Vendor(name, base_url, key), self._http)
        return None


def _make(name: str, vendor: Vendor, http: HttpClient) -> Search:
    match name:
        case "brave":
            from providers.tools.brave import Brave

            return Brave(vendor, http)
        case "tavily":
            from providers.tools.tavily import Tavily

            return Tavily(vendor, http)
    from providers.tools.searxng import Searxng

    return Searxng(vendor, http)
