"""What a project stores in all its buckets. Every write of object storage holds this row until it commits, so that
sums, limits and conditions are never judged by two writers at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from sqlalchemy import select, update

from storage.database import Database, Transaction
from storage.repositories.kv import by_day
from storage.repositories.meters import Meter, Meters
from storage.tables.s3 import S3AccountRow
from storage.tables.types import core, instant, plain

ACCOUNTS = core(S3AccountRow)
SECOND_US = 1_000_000
INGRESS, EGRESS, REQUESTS = "s3.ingress_bytes", "s3.egress_bytes", "s3.requests"
STORAGE = "s3.storage_byte_seconds"


@dataclass(frozen=True, slots=True)
class S3Account:
    """`metered_at` is in unix seconds."""

    project_id: str
    stored_bytes: int
    metered_at: int


@dataclass(frozen=True, slots=True)
class S3Accounts:
    database: Database

    async def settle(self, tx: Transaction, project_id: str, now_us: int) -> S3Account:
        """Takes the project's row, and meters what was stored up to now."""
        now = now_us // SECOND_US
        fresh = S3Account(project_id, 0, now)
        await tx.execute(self.database.insert(ACCOUNTS).values(asdict(fresh)).on_conflict_do_nothing())
        taken = select(ACCOUNTS).where(ACCOUNTS.c.project_id == project_id).with_for_update()
        account = S3Account(**plain((await tx.execute(taken)).one()))
        days = {instant(start).date().isoformat(): stop - start for start, stop in by_day(account.metered_at, now)}
        amounts = {Meter(project_id, STORAGE, day): account.stored_bytes * seconds for day, seconds in days.items()}
        await Meters(self.database).add(tx, amounts)
        return replace(account, metered_at=max(now, account.metered_at))

    async def note(self, tx: Transaction, account: S3Account, grown_bytes: int = 0, ingress_bytes: int = 0) -> None:
        """What the write that holds the row changed."""
        project_id = account.project_id
        values = {"stored_bytes": account.stored_bytes + grown_bytes, "metered_at": account.metered_at}
        await tx.execute(update(ACCOUNTS).where(ACCOUNTS.c.project_id == project_id).values(values))
        if ingress_bytes:
            day = instant(account.metered_at).date().isoformat()
            await Meters(self.database).add(tx, {Meter(project_id, INGRESS, day): ingress_bytes})

    async def current(self, project_id: str, now_us: int) -> S3Account:
        """Metered up to now."""
        async with self.database.writing() as tx:
            account = await self.settle(tx, project_id, now_us)
            await self.note(tx, account)
        return account

    async def stored_bytes(self, project_id: str) -> int:
        query = select(ACCOUNTS.c.stored_bytes).where(ACCOUNTS.c.project_id == project_id)
        async with self.database.reading() as connection:
            return (await connection.scalar(query)) or 0

    async def projects(self, after: str, limit: int) -> list[str]:
        """Those that store something or did, by id."""
        query = select(ACCOUNTS.c.project_id).where(ACCOUNTS.c.project_id > after)
        async with self.database.reading() as connection:
            return list((await connection.scalars(query.order_by(ACCOUNTS.c.project_id).limit(limit))).all())
