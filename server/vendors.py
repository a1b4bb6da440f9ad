"""The vendors that can be called, made from the catalog's rows and the configuration's keys."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from handlers.core.credentials import KeyedInference
from handlers.core.services import Traits
from providers.embeddings import limited as embeddings_limited
from providers.embeddings.interface import Embedder
from providers.embeddings.openai_compatible import OpenAICompatible as Embeddings
from providers.fetch import Fetcher
from providers.http import HttpClient, Timeouts
from providers.inference.interface import Inference
from providers.inference.limited import Limited, LimitedByModel
from providers.outbound import Outbound, is_internal
from providers.slots import Slots
from providers.vendor import Vendor
from server import catalog
from server.config import Settings, is_loopback
from server.embedders import Embedders
from server.random_ids import random_id

FETCH_TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=10.0, idle_seconds=10.0)
"""For what stands at addresses that callers choose."""


class Vendors(Mapping[str, Inference]):
    """Inference by the vendor's name, and beside it `embeddings`, and `fetcher` for what callers name. `embedded` are
    vendors that need no address."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        timeouts = Timeouts(
            connect_seconds=settings.connect_timeout_seconds,
            first_byte_seconds=settings.first_byte_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
        )
        self._http = HttpClient(timeouts)
        outbound = Outbound(settings.allow_private_outbound)
        self._outward = HttpClient(timeouts, outbound=outbound)
        self._fetching = HttpClient(FETCH_TIMEOUTS, outbound=outbound)
        self.fetcher = Fetcher(self._fetching)
        self.embeddings = Embedders(self._http, settings)
        self._rows: Mapping[str, catalog.VendorRow] = {}
        self._traits: Mapping[str, Traits] = {}
        self._regions: Mapping[str, str | None] = {}
        self._made: dict[str, tuple[catalog.Vendor, Inference]] = {}
        self._embedded: frozenset[str] = frozenset()
        self._slots: WeakValueDictionary[tuple[str, str, bytes], Slots] = WeakValueDictionary()

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
        self._traits = {name: self._traits_of(row) for name, row in rows.items()}
        self._regions = {name: self._region_of(row) for name, row in rows.items()}
        self._embedded = frozenset(name for name, vendor in usable.items() if vendor.row.kind == "local")

    @property
    def embedded(self) -> frozenset[str]:
        return self._embedded

    def with_key(self, vendor: str, key: str, base_url: str | None = None) -> KeyedInference | None:
        """The vendor under a caller's key; an address that a caller chose is held to the outbound rules."""
        row = self._rows.get(vendor)
        if row is None or row.embedded:
            return None
        who, http = self._keyed(row, key, base_url)
        client = _speak(row, who, http)
        return _Keyed(client, self._slots_of(who), client)

    def embedder_with_key(self, vendor: str, key: str, base_url: str | None = None) -> Embedder | None:
        """Shares its slots with `with_key`."""
        row = self._rows.get(vendor)
        if row is None or row.kind != "openai_compatible":
            return None
        who, http = self._keyed(row, key, base_url)
        return embeddings_limited.Limited(Embeddings(who, http), self._slots_of(who))

    def _keyed(self, row: catalog.VendorRow, key: str, base_url: str | None) -> tuple[Vendor, HttpClient]:
        address = base_url or self._address(row)
        who = Vendor(row.name, address, key, row.headers if base_url is None else {}, row.grammar)
        return who, self._http if base_url is None else self._outward

    def _slots_of(self, who: Vendor) -> Slots:
        """Each key has its own, so that it holds up nobody else; they are forgotten when nothing uses them."""
        name = (who.name, who.base_url, sha256((who.api_key or "").encode()).digest())
        slots = self._slots.get(name)
        if slots is None:
            slots = self._slots[name] = Slots(self._settings.max_concurrent_own_key, self._settings.max_queued)
        return slots

    def _address(self, row: catalog.VendorRow) -> str:
        return self._settings.vendor_access(row.name, None).base_url or row.base_url or ""

    def region_of(self, vendor: str) -> str | None:
        """What runs inside this process or on this machine is where the server is."""
        return self._regions.get(vendor)

    def traits_of(self, vendor: str) -> Traits:
        """What is in the operator's own network keeps nothing, unless the catalog says so."""
        return self._traits.get(vendor) or Traits()

    def _region_of(self, row: catalog.VendorRow) -> str | None:
        if row.region is not None:
            return row.region
        here = row.embedded or is_loopback(urlsplit(self._address(row)).hostname or "")
        return self._settings.region if here else None

    def _traits_of(self, row: catalog.VendorRow) -> Traits:
        host = urlsplit(self._address(row)).hostname or ""
        internal = row.embedded or is_internal(host) if row.internal is None else row.internal
        return Traits(internal, internal if row.retains_data is None else not row.retains_data)

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
        await self._fetching.close()

    def __getitem__(self, name: str) -> Inference:
        return self._made[name][1]

    def __contains__(self, name: object) -> bool:
        return name in self._made

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

            return Simulator(time.time, random_id, vendor.row.name)
        return LimitedByModel(self._client(vendor), self._settings.max_concurrent, self._settings.max_queued)

    def _client(self, vendor: catalog.Vendor) -> Inference:
        key = vendor.key.get_secret_value() if vendor.key else None
        who = Vendor(vendor.row.name, vendor.base_url or "", key, vendor.row.headers, vendor.row.grammar)
        return _speak(vendor.row, who, self._http)


@dataclass(frozen=True, slots=True)
class _Keyed(Limited):
    """`checked` is `inner`; asking whether the key is good waits for nobody."""

    checked: KeyedInference

    async def check_key(self) -> None:
        await self.checked.check_key()


def _speak(row: catalog.VendorRow, who: Vendor, http: HttpClient) -> KeyedInference:
    """The vendor's client, in its own dialect."""
    if row.kind == "anthropic":
        from providers.inference.anthropic import Anthropic

        return Anthropic(who, http)
    from providers.inference.openai_compatible import OpenAICompatible

    return OpenAICompatible(who, http)
