"""How much a project may store: what is free, and the blocks that it bought for the month."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from handlers.core.errors import Conflict, Invalid, PaymentRequired
from storage.database import Database
from storage.repositories.allocations import Allocations, CannotPay, Purchase
from storage.repositories.s3_account import S3Accounts
from storage.tables.types import instant

BLOCK_BYTES = 10**12
MOST_BLOCKS = 1_000_000
MICROS = 1_000_000
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)
MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class StorageTariff:
    """What a block of one terabyte (10^12 bytes) costs for a month, and what is free."""

    block_usd: Decimal = Decimal(0)
    free_bytes: int = BLOCK_BYTES

    @property
    def block_micros(self) -> int:
        return int((self.block_usd * MICROS).quantize(Decimal(1), ROUND_HALF_UP))


@dataclass(frozen=True, slots=True)
class Allocation:
    month: str
    free_bytes: int
    blocks: int
    used_bytes: int

    @property
    def allocation_bytes(self) -> int:
        return self.free_bytes + self.blocks * BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Allowance:
    database: Database
    tariff: StorageTariff
    clock: Callable[[], float]
    new_id: Callable[[str], str]

    @property
    def month(self) -> str:
        """The current one, in UTC."""
        return instant(self.clock()).strftime("%Y-%m")

    async def limit_bytes(self, project_id: str) -> int:
        return self.tariff.free_bytes + await self._blocks(project_id, self.month) * BLOCK_BYTES

    async def allocation(self, project_id: str, month: str | None = None) -> Allocation:
        month = month or self.month
        used = await S3Accounts(self.database).stored_bytes(project_id)
        return Allocation(month, self.tariff.free_bytes, await self._blocks(project_id, month), used)

    async def buy(self, project_id: str, blocks: int, month: str | None, idempotency_key: str | None) -> Allocation:
        """The allocation with the blocks in it. Raises `Invalid`, `PaymentRequired`, and `Conflict` when the key stands
        for another purchase."""
        month = month or self.month
        if not MONTH.fullmatch(month) or month < self.month:
            raise Invalid("month_utc must be this month or a later one", param="month_utc")
        if blocks > MOST_BLOCKS:
            raise Invalid(f"at most {MOST_BLOCKS} blocks can be bought at once", param="blocks")
        if idempotency_key is not None and not 0 < len(idempotency_key) <= MAX_KEY_LENGTH:
            raise Invalid(f"an idempotency key has 1 to {MAX_KEY_LENGTH} characters", param="idempotency_key")
        wanted = Purchase(
            project_id,
            idempotency_key or self.new_id("purchase"),
            month,
            blocks,
            blocks * self.tariff.block_micros,
            instant(self.clock()),
        )
        try:
            bought = await Allocations(self.database).buy(wanted)
        except CannotPay:
            raise PaymentRequired("the project's prepaid credits do not cover these blocks") from None
        if (bought.month, bought.blocks) != (month, blocks):
            raise Conflict("this idempotency key was used for another purchase", code="idempotency_key_reused")
        return await self.allocation(project_id, month)

    async def _blocks(self, project_id: str, month: str) -> int:
        return await Allocations(self.database).blocks(project_id, month)
