"""What stands for stores and vendors in tests of handlers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from handlers.core.call import Call, Caller
from handlers.core.errors import PaymentRequired
from providers.errors import BrokenAnswer, Refused, Unavailable
from providers.fetch import Fetched
from providers.tools.interface import Page
from storage.ledger_record import Record
from storage.repositories.containers import Container
from storage.repositories.models import RegisteredModel
from storage.repositories.provider_credentials import ProviderCredential
from storage.repositories.region_keys import RegionKey


class Registry:
    """Registered models in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], RegisteredModel] = {}

    async def put(self, model: RegisteredModel) -> None:
        self.rows[model.project_id, model.identifier] = model

    async def get(self, project_id: str, identifier: str) -> RegisteredModel | None:
        return self.rows.get((project_id, identifier))

    look = get

    async def list(self, project_id: str) -> Sequence[RegisteredModel]:
        return [row for (owner, _), row in self.rows.items() if owner == project_id]

    async def delete(self, project_id: str, identifier: str) -> bool:
        return self.rows.pop((project_id, identifier), None) is not None


class Shelf:
    """Requests in memory."""

    def __init__(self, *records: Record) -> None:
        self.records = records

    async def get(self, project_id: str, request_id: str) -> Record | None:
        found = [r for r in self.records if (r.project_id, r.request_id) == (project_id, request_id)]
        return found[0] if found else None


class KeyRack:
    """Region keys in memory, newest first."""

    def __init__(self) -> None:
        self.keys: list[RegionKey] = []

    async def list(self) -> Sequence[RegionKey]:
        return list(self.keys)

    async def current(self, region: str) -> RegionKey | None:
        return next((key for key in self.keys if key.region == region and key.rotated_at is None), None)

    async def replace(self, old_kid: str | None, fresh: RegionKey) -> RegionKey:
        self.keys = [replace(key, rotated_at=fresh.created_at) if key.kid == old_kid else key for key in self.keys]
        self.keys.insert(0, fresh)
        return fresh


class NoContainers:
    """Of a project that has none."""

    async def find(self, project_id: str, label: str) -> None:
        return None

    async def get(self, project_id: str, container_id: str) -> None:
        return None

    async def list(self, project_id: str) -> Sequence[Container]:
        return []


class NoCapture:
    """Keeps nothing of what is said."""

    async def take(self, ask: Any, call: Call) -> None:
        return None


class Drawer:
    """Provider credentials in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], ProviderCredential] = {}

    async def insert(self, credential: ProviderCredential) -> None:
        self.rows[credential.project_id, credential.id] = credential

    async def get(self, project_id: str, credential_id: str) -> ProviderCredential | None:
        return self.rows.get((project_id, credential_id))

    async def list(self, project_id: str) -> Sequence[ProviderCredential]:
        return [row for (owner, _), row in reversed(self.rows.items()) if owner == project_id]

    async def change(self, credential: ProviderCredential) -> bool:
        here = (credential.project_id, credential.id) in self.rows
        if here:
            self.rows[credential.project_id, credential.id] = credential
        return here

    async def touch(self, project_id: str, credential_id: str, at: datetime) -> None:
        row = self.rows[project_id, credential_id]
        self.rows[project_id, credential_id] = replace(row, last_used_at=at)

    async def delete(self, project_id: str, credential_id: str) -> bool:
        return self.rows.pop((project_id, credential_id), None) is not None


@dataclass
class KeyedBy:
    """Vendors for callers' keys: `make` answers one for `(vendor, key, base_url)`, `embed` what makes its embeddings;
    `made` remembers what was asked."""

    make: Callable[[str, str, str | None], Any] = lambda vendor, key, base_url: None
    make_embedder: Callable[[str, str, str | None], Any] = lambda vendor, key, base_url: None
    made: list[tuple[str, str, str | None]] = field(default_factory=list)

    def with_key(self, vendor: str, key: str, base_url: str | None = None) -> Any:
        self.made.append((vendor, key, base_url))
        return self.make(vendor, key, base_url)

    def embedder_with_key(self, vendor: str, key: str, base_url: str | None = None) -> Any:
        self.made.append((vendor, key, base_url))
        return self.make_embedder(vendor, key, base_url)


@dataclass
class Purse:
    """A quota that admits everything and remembers; `refuse` is raised instead."""

    refuse: Exception | None = None
    solvent: bool = True
    admitted: list[int] = field(default_factory=list)
    settled: list[tuple[int, int]] = field(default_factory=list)

    async def admit(self, caller: Caller, tokens_estimate: int, *, free: bool = False) -> int:
        if self.refuse:
            raise self.refuse
        if not (free or self.solvent):
            raise PaymentRequired("the project's prepaid credits are used up")
        self.admitted.append(tokens_estimate)
        return tokens_estimate

    async def is_solvent(self, caller: Caller) -> bool:
        return self.solvent

    async def settle(self, admission: int, *, tokens: int, cost_micros: int) -> None:
        self.settled.append((tokens, cost_micros))

    def pack(self, admission: int) -> int:
        return admission

    def unpack(self, packed: int) -> int:
        return packed


@dataclass
class Addressed:
    """What stands at addresses; elsewhere there is nothing. `asked` are the addresses and how much of each is read."""

    known: Mapping[str, Fetched] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def get(self, url: str, largest_bytes: int) -> Fetched:
        self.asked.append((url, largest_bytes))
        if url not in self.known:
            raise Unavailable("the host cannot be found")
        if len(self.known[url].body) > largest_bytes:
            raise BrokenAnswer("the provider's answer is too large")
        return self.known[url]


@dataclass
class Pile:
    """A ledger in memory."""

    records: list[Record] = field(default_factory=list)

    def post(self, record: Record) -> None:
        self.records.append(record)

    async def finish(self, record: Record) -> None:
        self.records.append(record)


@dataclass
class Pages:
    """The web, by address."""

    pages: Mapping[str, Page] = field(default_factory=dict)

    async def read(self, url: str) -> Page:
        if url not in self.pages:
            raise Refused("there is no such page", status=404)
        return self.pages[url]
