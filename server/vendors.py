"""The vendors that can be called, made from the catalog's rows and the configuration's keys."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping

from providers.http import HttpClient, Timeouts
from providers.inference.interface import Inference
from providers.inference.limited import LimitedByModel
from providers.vendor import Vendor
from server import catalog
from server.config import Settings
from server.embedders import Embedders


class Vendors(Mapping[str, Inference]):
    """Inference by the vendor's name, and beside it `embeddings`. `embedded` are vendors that need no address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._http = HttpClient(
            Timeouts(
                connect_seconds=settings.connect_timeout_seconds,
                first_byte_seconds=settings.first_byte_timeout_seconds,
                idle_seconds=settings.idle_timeout_seconds,
            )
        )
        self.embeddings = Embedders(self._http, settings)
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
        self._embedded = frozenset(name for name, vendor in usable.items() if vendor.row.kind == "local")

    @property
    def embedded(self) -> frozenset[str]:
        return self._embedded

    async def close(self) -> None:
        await self.embeddings.close()
        await self._http.close()

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
        if vendor.row.kind == "anthropic":
            from providers.inference.anthropic import Anthropic

            return Anthropic(who, self._http)
        from providers.inference.openai_compatible import OpenAICompatible

        return OpenAICompatible(who, self._http)
