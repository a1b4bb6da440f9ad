"""What turns texts into vectors, made from the same rows as what chats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from providers.embeddings.interface import Embedder
from providers.embeddings.limited import LimitedByModel
from providers.embeddings.local import Local
from providers.embeddings.openai_compatible import OpenAICompatible
from providers.http import HttpClient
from providers.vendor import Vendor
from server import catalog
from server.config import Settings


class Embedders(Mapping[str, Embedder]):
    """By the vendor's name. The embedded model is one and stays, whatever the rows say: it is large."""

    def __init__(self, http: HttpClient, settings: Settings) -> None:
        self._http = http
        self._settings = settings
        self._local = Local(most_waiting=settings.max_queued + 1)
        self._made: dict[str, tuple[catalog.Vendor, Embedder]] = {}

    def replace(self, usable: Mapping[str, catalog.Vendor]) -> None:
        """A vendor that did not change keeps its queue."""
        made = {}
        for name, vendor in usable.items():
            known = self._made.get(name)
            embedder = known[1] if known is not None and known[0] == vendor else self._make(vendor)
            if embedder is not None:
                made[name] = (vendor, embedder)
        self._made = made

    async def close(self) -> None:
        await self._local.close()

    def __getitem__(self, name: str) -> Embedder:
        return self._made[name][1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def _make(self, vendor: catalog.Vendor) -> Embedder | None:
        """None for a vendor that makes no embeddings."""
        if vendor.row.kind == "local":
            return self._local
        if vendor.row.kind != "openai_compatible":
            return None
        key = vendor.key.get_secret_value() if vendor.key else None
        who = Vendor(vendor.row.name, vendor.base_url or "", key, vendor.row.headers)
        settings = self._settings
        return LimitedByModel(OpenAICompatible(who, self._http), settings.max_concurrent, settings.max_queued)
