"""Source maps that projects uploaded, by release."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from storage.database import Database, Transaction
from storage.repositories.blobs import BlobRows
from storage.tables.app_telemetry import SourceMapRow
from storage.tables.types import core, plain

MAPS = core(SourceMapRow)


@dataclass(frozen=True, slots=True)
class StoredMap:
    """`sha256` is of the map, the blob is its gzip."""

    id: str
    project_id: str
    release: str
    artifact_name: str
    file_name: str
    artifact_base: str
    file_base: str
    content_type: str
    original_bytes: int
    compressed_bytes: int
    sha256: str
    blob_key: str
    created_at: datetime
    used_at: datetime


@dataclass(frozen=True, slots=True)
class SourceMaps:
    database: Database

    async def find(self, tx: Transaction, like: StoredMap) -> StoredMap | None:
        """The one of the same project, release and names, held until the transaction ends."""
        names = ("project_id", "release", "artifact_name", "file_name")
        same = (MAPS.c[name] == getattr(like, name) for name in names)
        row = (await tx.execute(select(MAPS).where(*same).with_for_update())).one_or_none()
        return None if row is None else StoredMap(**plain(row))

    async def put(self, tx: Transaction, fresh: StoredMap, known: StoredMap | None) -> None:
        """In the place of `known`, whose id it must have. Raises `StorageConflict` when another process was first."""
        blobs = BlobRows(self.database)
        await blobs.hold(tx, fresh.project_id, fresh.blob_key)
        if known is None:
            await tx.execute(MAPS.insert().values(asdict(fresh)))
            return
        await blobs.release(tx, known.project_id, known.blob_key, fresh.created_at)
        await tx.execute(update(MAPS).where(MAPS.c.id == known.id).values(asdict(fresh)))

    async def named(self, project_id: str, release: str, base_names: Collection[str]) -> list[StoredMap]:
        """Those of a release of which a name ends so, newest first."""
        named = or_(MAPS.c.artifact_base.in_(base_names), MAPS.c.file_base.in_(base_names))
        mine = (MAPS.c.project_id == project_id, MAPS.c.release == release, named)
        async with self.database.reading() as connection:
            rows = await connection.execute(select(MAPS).where(*mine).order_by(MAPS.c.created_at.desc(), MAPS.c.id))
        return [StoredMap(**plain(row)) for row in rows]

    async def touch(self, map_ids: Collection[str], at: datetime) -> None:
        async with self.database.writing() as tx:
            await tx.execute(update(MAPS).where(MAPS.c.id.in_(map_ids)).values(used_at=at))

    async def purge(self, before: datetime, at: datetime, limit: int) -> int:
        """Forgets up to `limit` that were last used before then, at `at`; answers how many."""
        some = select(MAPS).where(MAPS.c.used_at < before).order_by(MAPS.c.used_at).limit(limit)
        async with self.database.writing() as tx:
            old = [StoredMap(**plain(row)) for row in (await tx.execute(some.with_for_update())).all()]
            for one in old:
                await BlobRows(self.database).release(tx, one.project_id, one.blob_key, at)
            await tx.execute(delete(MAPS).where(MAPS.c.id.in_([one.id for one in old])))
        return len(old)
