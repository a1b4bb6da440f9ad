"""The keys that sign for regions, sealed."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import select, text, update

from storage.database import Database
from storage.tables.secrets import RegionKeyRow
from storage.tables.types import core, plain

REGION_KEYS = core(RegionKeyRow)
LOCK = 0x72656769
"""The key of the Postgres advisory lock under which one process at a time makes a key."""


@dataclass(frozen=True, slots=True)
class RegionKey:
    """`public_key` are the 32 raw bytes of an Ed25519 key. `rotated_at` is when another took its place, None for the
    one that signs."""

    kid: str
    region: str
    node_id: str
    public_key: bytes
    sealed_key: bytes = field(repr=False)
    created_at: datetime
    rotated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegionKeys:
    database: Database

    async def list(self) -> list[RegionKey]:
        """Of all regions, newest first."""
        query = select(REGION_KEYS).order_by(REGION_KEYS.c.created_at.desc(), REGION_KEYS.c.kid)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [RegionKey(**plain(row)) for row in rows]

    async def current(self, region: str) -> RegionKey | None:
        query = select(REGION_KEYS).where(REGION_KEYS.c.region == region, REGION_KEYS.c.rotated_at.is_(None))
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else RegionKey(**plain(row))

    async def replace(self, old_kid: str | None, fresh: RegionKey) -> RegionKey:
        """Puts `fresh` in the place of `old_kid` (None for the region's first) and answers the key that then signs:
        another's, when two do this at once."""
        signing = select(REGION_KEYS).where(REGION_KEYS.c.region == fresh.region, REGION_KEYS.c.rotated_at.is_(None))
        async with self.database.writing() as tx:
            if self.database.dialect == "postgresql":
                await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            row = (await tx.execute(signing)).one_or_none()
            if row is not None and row.kid != old_kid:
                return RegionKey(**plain(row))
            if old_kid is not None:
                old = REGION_KEYS.c.kid == old_kid
                await tx.execute(update(REGION_KEYS).where(old).values(rotated_at=fresh.created_at))
            await tx.execute(REGION_KEYS.insert().values(asdict(fresh)))
        return fresh
