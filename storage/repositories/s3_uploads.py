"""Multipart uploads that are under way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, delete, or_, select

from storage.database import Database, Transaction
from storage.repositories.blobs import BlobRows
from storage.repositories.s3 import (
    PARTS,
    UPLOADS,
    NoRoom,
    S3Object,
    S3Objects,
    S3Part,
    Terms,
    check_bucket,
    insert_parts,
    ranged,
)
from storage.repositories.s3_account import S3Accounts
from storage.tables.types import plain


class NoUpload(Exception):
    pass


@dataclass(frozen=True, slots=True)
class S3Upload:
    id: str
    project_id: str
    bucket: str
    key: str
    initiated_us: int
    headers: dict[str, str]
    user_metadata: dict[str, str]
    checksum_algorithm: str | None
    checksum_type: str


Assemble = Callable[[Sequence[S3Part]], tuple[S3Object, Sequence[int]]]
"""Makes the object of an upload's parts, and says by number which of them it is made of; raises what is wrong."""


@dataclass(frozen=True, slots=True)
class S3Uploads:
    database: Database

    async def insert(self, upload: S3Upload) -> None:
        """Raises `NoBucket`."""
        async with self.database.writing() as tx:
            await check_bucket(tx, upload.project_id, upload.bucket)
            await tx.execute(UPLOADS.insert().values(asdict(upload)))

    async def get(self, project_id: str, upload_id: str) -> S3Upload | None:
        async with self.database.reading() as connection:
            row = (await connection.execute(select(UPLOADS).where(_one(project_id, upload_id)))).one_or_none()
        return None if row is None else S3Upload(**plain(row))

    async def list(
        self, project_id: str, bucket: str, prefix: str, after: tuple[str, str] | None, limit: int
    ) -> list[S3Upload]:
        """By key and id, from behind `after`."""
        query = select(UPLOADS).where(UPLOADS.c.project_id == project_id, UPLOADS.c.bucket == bucket)
        query = query.where(*ranged(UPLOADS.c.key, prefix))
        if after is not None:
            key, upload_id = after
            query = query.where(
                or_(UPLOADS.c.key > key, (UPLOADS.c.key == key) & (UPLOADS.c.id > upload_id)), UPLOADS.c.key >= key
            )
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(UPLOADS.c.key, UPLOADS.c.id).limit(limit))
        return [S3Upload(**plain(row)) for row in rows]

    async def put_part(self, upload: S3Upload, part: S3Part, terms: Terms) -> None:
        """In the place of one of the same number. Raises `NoUpload` and `NoRoom`."""
        objects, project_id = S3Objects(self.database), upload.project_id
        async with self.database.writing() as tx:
            account = await S3Accounts(self.database).settle(tx, project_id, terms.now_us)
            if await tx.scalar(select(UPLOADS.c.id).where(_one(project_id, upload.id))) is None:
                raise NoUpload
            freed = await objects.drop_parts(
                tx, project_id, _parts(upload) & (PARTS.c.number == part.number), terms.now_us
            )
            if account.stored_bytes + part.size_bytes - freed > terms.limit_bytes:
                raise NoRoom
            await BlobRows(self.database).hold(tx, project_id, part.blob_key)
            await insert_parts(tx, project_id, upload.id, [part])
            await S3Accounts(self.database).note(tx, account, part.size_bytes - freed, terms.carried_bytes)

    async def complete(self, upload: S3Upload, assemble: Assemble, terms: Terms) -> S3Object:
        """Raises `NoUpload`, `NoBucket`, and what `assemble` and `terms.check` raise."""
        objects, project_id = S3Objects(self.database), upload.project_id
        async with self.database.writing() as tx:
            account = await S3Accounts(self.database).settle(tx, project_id, terms.now_us)
            if (await tx.execute(delete(UPLOADS).where(_one(project_id, upload.id)))).rowcount != 1:
                raise NoUpload
            parts = await objects.parts(project_id, upload.id, tx)
            made, numbers = assemble(parts)
            freed = await self._drop_others(tx, upload, parts, set(numbers), terms.now_us)
            freed += await objects.replace(tx, made, terms)
            await S3Accounts(self.database).note(tx, account, -freed)
        return made

    async def abort(self, upload: S3Upload, now_us: int) -> None:
        """Raises `NoUpload`."""
        async with self.database.writing() as tx:
            account = await S3Accounts(self.database).settle(tx, upload.project_id, now_us)
            if (await tx.execute(delete(UPLOADS).where(_one(upload.project_id, upload.id)))).rowcount != 1:
                raise NoUpload
            freed = await S3Objects(self.database).drop_parts(tx, upload.project_id, _parts(upload), now_us)
            await S3Accounts(self.database).note(tx, account, -freed)

    async def _drop_others(
        self, tx: Transaction, upload: S3Upload, parts: Sequence[S3Part], kept: set[int], now_us: int
    ) -> int:
        others = [part.number for part in parts if part.number not in kept]
        if not others:
            return 0
        mine = _parts(upload) & PARTS.c.number.in_(others)
        return await S3Objects(self.database).drop_parts(tx, upload.project_id, mine, now_us)


def _one(project_id: str, upload_id: str) -> ColumnElement[bool]:
    return (UPLOADS.c.project_id == project_id) & (UPLOADS.c.id == upload_id)


def _parts(upload: S3Upload) -> ColumnElement[bool]:
    return (PARTS.c.project_id == upload.project_id) & (PARTS.c.content_id == upload.id)
