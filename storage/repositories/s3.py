"""Buckets and their objects. An object is made of parts, each of which holds a blob."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Select, delete, select, update

from storage.database import Database, Transaction
from storage.repositories.blobs import BlobRows
from storage.repositories.files import READ_ON
from storage.repositories.kv import successor
from storage.repositories.s3_account import SECOND_US, S3Accounts
from storage.tables.s3 import S3BucketRow, S3ObjectRow, S3PartRow, S3UploadRow
from storage.tables.types import core, instant, plain

BUCKETS, OBJECTS, PARTS, UPLOADS = core(S3BucketRow), core(S3ObjectRow), core(S3PartRow), core(S3UploadRow)
REMOVED_AFTER: timedelta = READ_ON


class NoBucket(Exception):
    pass


class BucketTaken(Exception):
    pass


class BucketNotEmpty(Exception):
    pass


class NoRoom(Exception):
    """What is to be written does not fit into the allocation."""


@dataclass(frozen=True, slots=True)
class S3Bucket:
    project_id: str
    name: str
    created_us: int
    object_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class S3Object:
    """Times in microseconds; checksums are base64 by algorithm; `content_id` names its parts."""

    project_id: str
    bucket: str
    key: str
    content_id: str
    size_bytes: int
    etag: str
    modified_us: int
    headers: dict[str, str]
    user_metadata: dict[str, str]
    checksums: dict[str, str]
    checksum_type: str
    part_count: int = 1


@dataclass(frozen=True, slots=True)
class S3Part:
    number: int
    blob_key: str
    size_bytes: int
    etag: str
    checksums: dict[str, str]
    modified_us: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Of a write: `check` sees what it replaces and raises what forbids that; `limit_bytes` is how much the project may
    store; `carried_bytes` came in with it."""

    now_us: int
    limit_bytes: int
    check: Callable[[S3Object | None], None] = lambda _: None
    carried_bytes: int = 0


@dataclass(frozen=True, slots=True)
class S3Objects:
    database: Database

    async def bucket(self, project_id: str, name: str) -> S3Bucket | None:
        query = select(BUCKETS).where(_bucket(project_id, name))
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else S3Bucket(**plain(row))

    async def buckets(self, project_id: str, prefix: str = "", after: str = "", limit: int = 1000) -> list[S3Bucket]:
        """By name."""
        query = select(BUCKETS).where(BUCKETS.c.project_id == project_id, BUCKETS.c.name > after)
        if prefix:
            query = query.where(BUCKETS.c.name.startswith(prefix, autoescape=True))
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(BUCKETS.c.name).limit(limit))
        return [S3Bucket(**plain(row)) for row in rows]

    async def create_bucket(self, project_id: str, name: str, most: int, now_us: int) -> None:
        """Raises `BucketTaken`, and `NoRoom` when the project has as many buckets as it may."""
        async with self.database.writing() as tx:
            account = await S3Accounts(self.database).settle(tx, project_id, now_us)
            names = set(await tx.scalars(select(BUCKETS.c.name).where(BUCKETS.c.project_id == project_id)))
            if name in names:
                raise BucketTaken
            if len(names) >= most:
                raise NoRoom
            await tx.execute(BUCKETS.insert().values(asdict(S3Bucket(project_id, name, now_us, 0, 0))))
            await S3Accounts(self.database).note(tx, account)

    async def delete_bucket(self, project_id: str, name: str, now_us: int) -> None:
        """Raises `NoBucket`, and `BucketNotEmpty` while it holds objects. Unfinished uploads end with it."""
        async with self.database.writing() as tx:
            account = await S3Accounts(self.database).settle(tx, project_id, now_us)
            await check_bucket(tx, project_id, name)
            held = select(OBJECTS.c.key).where(OBJECTS.c.project_id == project_id, OBJECTS.c.bucket == name).limit(1)
            if await tx.scalar(held) is not None:
                raise BucketNotEmpty
            mine = (UPLOADS.c.project_id == project_id) & (UPLOADS.c.bucket == name)
            freed = await self.drop_contents(tx, project_id, select(UPLOADS.c.id).where(mine), now_us)
            await tx.execute(delete(UPLOADS).where(mine))
            await tx.execute(delete(BUCKETS).where(_bucket(project_id, name)))
            await S3Accounts(self.database).note(tx, account, -freed)

    async def get(self, project_id: str, bucket: str, key: str) -> S3Object | None:
        async with self.database.reading() as connection:
            return await _get(connection, project_id, bucket, key)

    async def parts(self, project_id: str, content_id: str, tx: Transaction | None = None) -> list[S3Part]:
        """By number."""
        columns = [PARTS.c[name] for name in S3Part.__slots__]
        mine = (PARTS.c.project_id == project_id) & (PARTS.c.content_id == content_id)
        async with self.database.reading(tx) as connection:
            rows = await connection.execute(select(*columns).where(mine).order_by(PARTS.c.number))
        return [S3Part(**plain(row)) for row in rows]

    async def put(self, new: S3Object, parts: Sequence[S3Part], terms: Terms) -> None:
        """Raises `NoBucket`, `NoRoom`, what `terms.check` raises, and `StorageConflict` for a blob that is gone."""
        async with self.database.writing() as tx:
            account = await S3Accounts(self.database).settle(tx, new.project_id, terms.now_us)
            old_bytes = await self.replace(tx, new, terms)
            grown = new.size_bytes - old_bytes
            if grown > 0 and account.stored_bytes + grown > terms.limit_bytes:
                raise NoRoom
            await BlobRows(self.database).hold_all(tx, new.project_id, [part.blob_key for part in parts])
            await insert_parts(tx, new.project_id, new.content_id, parts)
            await S3Accounts(self.database).note(tx, account, grown, terms.carried_bytes)

    async def replace(self, tx: Transaction, new: S3Object, terms: Terms) -> int:
        """Writes the object's row in the place of what was there, whose size it answers."""
        await check_bucket(tx, new.project_id, new.bucket)
        old = await _get(tx, new.project_id, new.bucket, new.key)
        terms.check(old)
        if old is not None and old.content_id != new.content_id:
            await self._drop(tx, new.project_id, [old.content_id], terms.now_us)
        fields = asdict(new)
        statement = self.database.insert(OBJECTS).values(fields)
        keys = ["project_id", "bucket", "key"]
        await tx.execute(statement.on_conflict_do_update(index_elements=keys, set_=fields))
        old_bytes = old.size_bytes if old else 0
        await _count(tx, new.project_id, new.bucket, 0 if old else 1, new.size_bytes - old_bytes)
        return old_bytes

    async def delete(self, project_id: str, bucket: str, keys: Sequence[str], terms: Terms) -> list[str]:
        """The keys of those that were there. Raises `NoBucket` and what `terms.check` raises."""
        async with self.database.writing() as tx:
            account = await S3Accounts(self.database).settle(tx, project_id, terms.now_us)
            await check_bucket(tx, project_id, bucket)
            mine = (OBJECTS.c.project_id == project_id) & (OBJECTS.c.bucket == bucket) & OBJECTS.c.key.in_(keys)
            found = [S3Object(**plain(row)) for row in await tx.execute(select(OBJECTS).where(mine))]
            terms.check(found[0] if found else None)
            if found:
                freed = sum(old.size_bytes for old in found)
                await self._drop(tx, project_id, [old.content_id for old in found], terms.now_us)
                await tx.execute(delete(OBJECTS).where(mine))
                await _count(tx, project_id, bucket, -len(found), -freed)
                await S3Accounts(self.database).note(tx, account, -freed)
        return [old.key for old in found]

    async def page(
        self, project_id: str, bucket: str, after: Sequence[ColumnElement[bool]], limit: int
    ) -> list[S3Object]:
        """By key, as code points order them."""
        query = select(OBJECTS).where(OBJECTS.c.project_id == project_id, OBJECTS.c.bucket == bucket, *after)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(OBJECTS.c.key).limit(limit))
        return [S3Object(**plain(row)) for row in rows]

    async def _drop(self, tx: Transaction, project_id: str, content_ids: Sequence[str], now_us: int) -> None:
        mine = (PARTS.c.project_id == project_id) & PARTS.c.content_id.in_(content_ids)
        await self.drop_parts(tx, project_id, mine, now_us)

    async def drop_contents(self, tx: Transaction, project_id: str, ids: Select[tuple[str]], now_us: int) -> int:
        """The parts of all these; answers their bytes."""
        mine = (PARTS.c.project_id == project_id) & PARTS.c.content_id.in_(ids)
        return await self.drop_parts(tx, project_id, mine, now_us)

    async def drop_parts(self, tx: Transaction, project_id: str, mine: ColumnElement[bool], now_us: int) -> int:
        """Lets their blobs go; answers their bytes."""
        removable_at = instant(now_us // SECOND_US) + REMOVED_AFTER
        await BlobRows(self.database).release_all(tx, project_id, select(PARTS.c.blob_key).where(mine), removable_at)
        dropped = await tx.execute(delete(PARTS).where(mine).returning(PARTS.c.size_bytes))
        return sum(dropped.scalars())


def from_key(prefix: str, start: str | None = None, *, inclusive: bool = False) -> list[ColumnElement[bool]]:
    """Conditions on objects: with the prefix, behind `start`, or from it on."""
    return ranged(OBJECTS.c.key, prefix, start, inclusive)


def ranged(
    column: ColumnElement[str], prefix: str, start: str | None = None, inclusive: bool = False
) -> list[ColumnElement[bool]]:
    conditions = [column >= prefix] if prefix else []
    end = successor(prefix) if prefix else None
    if end is not None:
        conditions.append(column < end)
    if start is not None:
        conditions.append(column >= start if inclusive else column > start)
    return conditions


async def check_bucket(tx: Transaction, project_id: str, name: str) -> None:
    """Raises `NoBucket`."""
    if await tx.scalar(select(BUCKETS.c.name).where(_bucket(project_id, name))) is None:
        raise NoBucket


async def insert_parts(tx: Transaction, project_id: str, content_id: str, parts: Sequence[S3Part]) -> None:
    rows = [{"project_id": project_id, "content_id": content_id, **asdict(part)} for part in parts]
    if rows:
        await tx.execute(PARTS.insert(), rows)


async def _get(connection: Transaction, project_id: str, bucket: str, key: str) -> S3Object | None:
    mine = (OBJECTS.c.project_id == project_id) & (OBJECTS.c.bucket == bucket) & (OBJECTS.c.key == key)
    row = (await connection.execute(select(OBJECTS).where(mine))).one_or_none()
    return None if row is None else S3Object(**plain(row))


async def _count(tx: Transaction, project_id: str, name: str, objects: int, size_bytes: int) -> None:
    counted = {
        "object_count": BUCKETS.c.object_count + objects,
        "size_bytes": BUCKETS.c.size_bytes + size_bytes,
    }
    await tx.execute(update(BUCKETS).where(_bucket(project_id, name)).values(counted))


def _bucket(project_id: str, name: str) -> ColumnElement[bool]:
    return (BUCKETS.c.project_id == project_id) & (BUCKETS.c.name == name)
