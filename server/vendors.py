"""The vendors that can be called, made from the catalog's rows and the configuration's keys."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from handlers.core.credentials import KeyedInference
from providers.http import HttpClient, Timeouts
from providers.inference.interface import Inference
from providers.inference.limited import LimitedByModel
from providers.outbound import Outbound
from providers.vendor import Vendor
from server import catalog
from server.config import Settings, is_loopback
from server.embedders import Embedders


class Vendors(Mapping[str, Inference]):
    """Inference by the vendor's name, and beside it `embeddings`. `embedded` are vendors that need no address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        timeouts = Timeouts(
            connect_seconds=settings.connect_timeout_seconds,
            first_byte_seconds=settings.first_byte_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
        )
        self._http = HttpClient(timeouts)
        self._outward = HttpClient(timeouts, outbound=Outbound(settings.allow_private_outbound))
        self.embeddings = Embedders(self._http, settings)
        self._rows: Mapping[str, catalog.VendorRow] = {}
        self._made: dict[str, tuple[catalog.Vendor, Inference]] = {}
        self._embedded: frozenset[str] = frozenset()

    def replace(self, rows: Mapping[str, catalog.VendorRow]) -> None:
        """Takes what the rows and the environment now say; a vendor that did not change keeps its queue.

        Raises `server.config.ConfigError`.
        """
        usable = catalog.usable(rows, self._settings)
        made = {}
        for name, vendor in usable.items():
            known = self._made.get(name)
            inference = known[1] if known is not None and known[0] == vendor else self._make(vendor)
            if inference is not None:
                made[name] = (vendor, inference)
        self._made = made
        self.embeddings.replace(usable)
        self._rows = rows
        self._embedded = frozenset(name for name, vendor in usable.items() if vendor.row.kind == "local")

    @property
    def embedded(self) -> frozenset[str]:
        return self._embedded

    def with_key(self, vendor: str, key: str, base_url: str | None = None) -> KeyedInference | None:
        """The vendor under a caller's key; an address that a caller chose is held to the outbound rules."""
        row = self._rows.get(vendor)
        if row is None or row.embedded:
            return None
        address = base_url or self._settings.vendor_access(vendor, None).base_url or row.base_url
        who = Vendor(row.name, address or "", key, row.headers if base_url is None else {})
        return _speak(row, who, self._http if base_url is None else self._outward)

    def region_of(self, vendor: str) -> str | None:
        """What runs inside this process or on this machine is where the server is."""
        row = self._rows.get(vendor)
        if row is None:
            return None
        if row.region is not None:
            return row.region
        address = self._settings.vendor_access(vendor, None).base_url or row.base_url
        here = row.embedded or is_loopback(urlsplit(address or "").hostname or "")
        return self._settings.region if here else None

    def loads(self) -> dict[str, tuple[int, int]]:
        """How many calls to each vendor run, and how many wait."""
        return {
            name: inference.load()
            for name, (_, inference) in self._made.items()
            if isinstance(inference, LimitedByModel)
        }

    async def close(self) -> None:
        await self.embeddings.close()
        await self._http.close()
        await self._outward.close()

    def __getitem__(self, name: str) -> Inference:
        return self._made[name][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def _make(self, vendor: catalog.Vendor) -> Inference | None:
        """None for a vendor that answers no chats."""
        if vendor.row.kind == "local":
            return None
        if vendor.row.kind == "simulator":
            from providers.inference.simulator import Simulator

            return Simulator(time.time, lambda: os.urandom(12).hex(), vendor.row.name)
        return LimitedByModel(self._client(vendor), self._settings.max_concurrent, self._settings.max_queued)

    def _client(self, vendor: catalog.Vendor) -> Inference:
        key = vendor.key.get_secret_value() if vendor.key else None
        who = Vendor(vendor.row.name, vendor.base_url or "", key, vendor.row.headers)
        return _speak(vendor.row, who, self._http)


def _speak(row: catalog.VendorRow, who: Vendor, http: HttpClient) -> KeyedInference:
    """The vendor's client, in its own dialect."""
    if row.kind == "anthropic":
        from providers.inference.anthropic import Anthropic

        return Anthropic(who, http)
    from providers.inference.openai_compatible import OpenAICompatible

    return OpenAICompatible(who, http)
