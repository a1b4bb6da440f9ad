"""Which blobs there are and how many rows refer to each, so that none is lost and none stays for ever.

A blob is announced before it is put, held in the transaction that writes the row which refers to it, and released in
the one that ends that row. What nobody holds is doomed after a while, removed from the store, and forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, case, delete, func, literal, select, update

from storage.database import Database, Transaction
from storage.errors import StorageConflict
from storage.presence import BACKUP
from storage.tables.files import BlobRow
from storage.tables.traffic import ProcessRow
from storage.tables.types import core

BLOBS, PROCESSES = core(BlobRow), core(ProcessRow)
AT_ONCE = 5000


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

    async def hold_all(self, tx: Transaction, project_id: str, keys: Sequence[str]) -> None:
        """Different keys. Raises `StorageConflict` when the project has one of them not, or it is being removed."""
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            mine = (BLOBS.c.project_id == project_id) & BLOBS.c.key.in_(some) & BLOBS.c.is_doomed.is_(False)
            held = update(BLOBS).where(mine).values(holders=BLOBS.c.holders + 1, removable_at=None)
            if (await tx.execute(held)).rowcount != len(some):
                raise StorageConflict("there is no such blob to hold")

    async def release_all(
        self, tx: Transaction, project_id: str, keys: Select[tuple[str]], removable_at: datetime
    ) -> None:
        """`keys` selects each blob once for each time that it is held."""
        counted = select(keys.subquery().c[0].label("key"), func.count().label("times")).group_by("key").subquery()
        times = select(counted.c.times).where(counted.c.key == BLOBS.c.key).scalar_subquery()
        then = case((BLOBS.c.holders == times, literal(removable_at, BLOBS.c.removable_at.type)), else_=None)
        mine = (BLOBS.c.project_id == project_id) & BLOBS.c.key.in_(select(counted.c.key))
        await tx.execute(update(BLOBS).where(mine).values(holders=BLOBS.c.holders - times, removable_at=then))

    async def doom(self, now: datetime, limit: int) -> list[str]:
        """The keys of blobs that nobody holds and that may go; from now on nobody can hold them. None while a backup
        is made, which holds them in its own picture of the rows."""
        backups = select(PROCESSES.c.id).where(PROCESSES.c.id.startswith(BACKUP), PROCESSES.c.lease_until > now)
        unheld = (BLOBS.c.removable_at <= now) & ~backups.exists()
        some = select(BLOBS.c.key).where(unheld).order_by(BLOBS.c.removable_at).limit(limit)
        doomed = update(BLOBS).where(BLOBS.c.key.in_(some) & unheld).values(is_doomed=True).returning(BLOBS.c.key)
        async with self.database.writing() as tx:
            return list((await tx.execute(doomed)).scalars())

    async def forget(self, keys: list[str]) -> None:
        """Of doomed blobs that are gone from the store."""
        async with self.database.writing() as tx:
            await tx.execute(delete(BLOBS).where(BLOBS.c.key.in_(keys) & BLOBS.c.is_doomed))
