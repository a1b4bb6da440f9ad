"""What turns texts into vectors, made from the same rows as what chats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from providers.embeddings.interface import Embedder
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
        self._local = Local(most_waiting=settings.max_queued + 1)
        self._made: dict[str, Embedder] = {}

    def replace(self, usable: Mapping[str, catalog.Vendor]) -> None:
        made = {name: self._make(vendor) for name, vendor in usable.items()}
        self._made = {name: embedder for name, embedder in made.items() if embedder is not None}

    async def close(self) -> None:
        await self._local.close()

    def __getitem__(self, name: str) -> Embedder:
        return self._made[name]

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
        return self.speak(Vendor(vendor.row.name, vendor.base_url or "", key, vendor.row.headers))

    def speak(self, who: Vendor) -> Embedder:
        """With a vendor that speaks OpenAI's embeddings API."""
        return OpenAICompatible(who, self._http)
