"""Access keys of object storage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select, update

from storage.database import Database
from storage.tables.s3 import S3KeyRow
from storage.tables.tenancy import ProjectRow
from storage.tables.types import core, plain

KEYS, PROJECTS = core(S3KeyRow), core(ProjectRow)


@dataclass(frozen=True, slots=True)
class S3Key:
    id: str
    project_id: str
    name: str
    sealed_secret: bytes
    last4: str
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class S3Keys:
    database: Database

    async def insert(self, key: S3Key) -> None:
        async with self.database.writing() as tx:
            await tx.execute(KEYS.insert().values(asdict(key)))

    async def in_force(self, key_id: str) -> tuple[S3Key, str] | None:
        """With the slug of its project; None for one that is unknown or revoked, or whose project is gone."""
        query = (
            select(*KEYS.c, PROJECTS.c.slug)
            .join(PROJECTS, PROJECTS.c.id == KEYS.c.project_id)
            .where(KEYS.c.id == key_id, KEYS.c.revoked_at.is_(None), PROJECTS.c.deleted_at.is_(None))
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        fields = plain(row)
        slug: str = fields.pop("slug")
        return S3Key(**fields), slug

    async def list(self, project_id: str) -> Sequence[S3Key]:
        """Newest first."""
        query = select(KEYS).where(KEYS.c.project_id == project_id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(KEYS.c.created_at.desc(), KEYS.c.id))
        return [S3Key(**plain(row)) for row in rows]

    async def revoke(self, project_id: str, key_id: str, at: datetime) -> S3Key | None:
        """None when the project has no such key; the first revocation counts."""
        mine = (KEYS.c.project_id == project_id) & (KEYS.c.id == key_id)
        async with self.database.writing() as tx:
            await tx.execute(update(KEYS).where(mine, KEYS.c.revoked_at.is_(None)).values(revoked_at=at))
            row = (await tx.execute(select(KEYS).where(mine))).one_or_none()
        return None if row is None else S3Key(**plain(row))

    async def touch(self, key_id: str, at: datetime) -> None:
        async with self.database.writing() as tx:
            await tx.execute(update(KEYS).where(KEYS.c.id == key_id).values(last_used_at=at))
