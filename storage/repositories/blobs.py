"""Which blobs there are and how many rows refer to each, so that none is lost and none stays for ever.

A blob is announced before it is put, held in the transaction that writes the row which refers to it, and released in
the one that ends that row. What nobody holds is doomed after a while, removed from the store, and forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, delete, literal, select, update

from storage.database import Database, Transaction
from storage.errors import StorageConflict
from storage.tables.files import BlobRow
from storage.tables.types import core

BLOBS = core(BlobRow)


@dataclass(frozen=True, slots=True)
class BlobRows:
    database: Database

    async def announce(self, project_id: str, key: str, removable_at: datetime) -> None:
        """Before its bytes are put; should nobody hold it by then, it goes."""
        fields = {"key": key, "project_id": project_id, "holders": 0, "removable_at": removable_at, "is_doomed": False}
        async with self.database.writing() as tx:
            await tx.execute(BLOBS.insert().values(fields))

    async def hold(self, tx: Transaction, project_id: str, key: str) -> None:
        """Raises `StorageConflict` when the project has no such blob, or it is being removed."""
        mine = (BLOBS.c.project_id == project_id) & (BLOBS.c.key == key) & BLOBS.c.is_doomed.is_(False)
        held = update(BLOBS).where(mine).values(holders=BLOBS.c.holders + 1, removable_at=None)
        if (await tx.execute(held)).rowcount != 1:
            raise StorageConflict(f"there is no blob {key} to hold")

    async def release(self, tx: Transaction, project_id: str, key: str, removable_at: datetime) -> None:
        """Once for each `hold`."""
        mine = (BLOBS.c.project_id == project_id) & (BLOBS.c.key == key)
        then = case((BLOBS.c.holders == 1, literal(removable_at, BLOBS.c.removable_at.type)), else_=None)
        await tx.execute(update(BLOBS).where(mine).values(holders=BLOBS.c.holders - 1, removable_at=then))

    async def doom(self, now: datetime, limit: int) -> list[str]:
        """The keys of blobs that nobody holds and that may go; from now on nobody can hold them."""
        unheld = BLOBS.c.removable_at <= now
        some = select(BLOBS.c.key).where(unheld).order_by(BLOBS.c.removable_at).limit(limit)
        doomed = update(BLOBS).where(BLOBS.c.key.in_(some) & unheld).values(is_doomed=True).returning(BLOBS.c.key)
        async with self.database.writing() as tx:
            return list((await tx.execute(doomed)).scalars())

    async def forget(self, keys: list[str]) -> None:
        """Of doomed blobs that are gone from the store."""
        async with self.database.writing() as tx:
            await tx.execute(delete(BLOBS).where(BLOBS.c.key.in_(keys) & BLOBS.c.is_doomed))
