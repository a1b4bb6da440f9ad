"""A project's keys and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.meters import MeterBook
from storage.repositories.kv import (
    INGRESS,
    SECOND_US,
    STORAGE,
    KvItem,
    KvItems,
    KvPage,
    KvSums,
    KvWrite,
    VersionMismatch,
)
from storage.tables.types import instant

__all__ = ["KvItem", "KvPage", "KvStore", "KvSummary", "KvWrite", "Tariff"]

EGRESS = "kv.egress_bytes"
MAX_KEY_LENGTH = 512
GIGABYTE = 10**9
MONTH_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices in dollars, a gigabyte being 10^9 bytes and a month 30 days; what is free of them each month. An operator
    who charges nothing has no prices."""

    storage_usd_per_gb_month: float = 0.0
    ingress_usd_per_gb: float = 0.0
    egress_usd_per_gb: float = 0.0
    free_storage_bytes: int = GIGABYTE
    free_ingress_bytes: int = 10 * GIGABYTE
    free_egress_bytes: int = 10 * GIGABYTE


@dataclass(frozen=True, slots=True)
class KvSummary:
    """`month` is `2026-03`, in UTC; amounts and costs are of that month."""

    sums: KvSums
    month: str
    ingress_bytes: int
    egress_bytes: int
    storage_byte_seconds: int
    tariff: Tariff

    @property
    def ingress_cost_usd(self) -> float:
        over = self.ingress_bytes - self.tariff.free_ingress_bytes
        return max(0, over) / GIGABYTE * self.tariff.ingress_usd_per_gb

    @property
    def egress_cost_usd(self) -> float:
        over = self.egress_bytes - self.tariff.free_egress_bytes
        return max(0, over) / GIGABYTE * self.tariff.egress_usd_per_gb

    @property
    def storage_cost_usd(self) -> float:
        over = self.storage_byte_seconds / MONTH_SECONDS - self.tariff.free_storage_bytes
        return max(0.0, over) / GIGABYTE * self.tariff.storage_usd_per_gb_month


@dataclass(frozen=True, slots=True)
class KvStore:
    """Every method names the project, and raises `NotFound` for a key that it does not have, and `StorageError`."""

    items: KvItems
    meters: MeterBook
    clock: Callable[[], float]
    tariff: Tariff = Tariff()

    async def get(self, project_id: str, key: str) -> KvItem:
        found = await self.items.get(project_id, checked(key), self.now_us())
        if found is None:
            raise _missing(key)
        self.meters.count(project_id, EGRESS, found.size_bytes)
        return found

    async def list(self, project_id: str, page: KvPage) -> tuple[Sequence[KvItem], str | None]:
        """A page by key, and where the next one goes on, if there is one: its `after`."""
        found = await self.items.list(project_id, replace(page, limit=page.limit + 1), self.now_us())
        shown = found[: page.limit]
        if page.with_values and shown:
            self.meters.count(project_id, EGRESS, sum(item.size_bytes for item in shown))
        return shown, shown[-1].key if len(found) > page.limit else None

    async def put(self, project_id: str, write: KvWrite) -> KvItem:
        """Raises `Conflict` when the key has another version than the write goes by."""
        checked(write.key)
        try:
            return await self.items.put(project_id, write, self.now_us())
        except VersionMismatch as mismatch:
            raise _conflict(write.key, write.if_version, mismatch.found) from None

    async def delete(self, project_id: str, key: str, if_version: int | None = None) -> KvItem:
        """Raises `Conflict` when the key has another version."""
        try:
            found = await self.items.delete(project_id, checked(key), if_version, self.now_us())
        except VersionMismatch as mismatch:
            raise _conflict(key, if_version, mismatch.found) from None
        if found is None:
            raise _missing(key)
        return found

    async def summary(self, project_id: str) -> KvSummary:
        sums = await self.items.sums(project_id, self.now_us())
        month = instant(self.clock()).strftime("%Y-%m")
        used = await self.meters.of_month(project_id, month)
        ingress, egress, storage = (used.get(kind, 0) for kind in (INGRESS, EGRESS, STORAGE))
        return KvSummary(sums, month, ingress, egress, storage, self.tariff)

    def now_us(self) -> int:
        return int(self.clock() * SECOND_US)

    def after(self, seconds: int) -> int:
        """So many seconds from now, in microseconds."""
        return self.now_us() + seconds * SECOND_US


def checked(key: str) -> str:
    """The key itself. Raises `Invalid`."""
    if not 0 < len(key) <= MAX_KEY_LENGTH or "\0" in key:
        raise Invalid(f"a key has 1 to {MAX_KEY_LENGTH} characters, and no NUL", code="invalid_key", param="key")
    return key


def _missing(key: str) -> NotFound:
    return NotFound(f"there is no item {key}", code="kv_item_not_found")


def _conflict(key: str, wanted: int | None, found: int) -> Conflict:
    if wanted == 0:
        return Conflict(f"{key} exists, at version {found}", code="kv_key_exists", param="key")
    there = f"at version {found}" if found else "absent"
    return Conflict(f"{key} is {there}, not at version {wanted}", code="kv_version_mismatch", param="if_version")
