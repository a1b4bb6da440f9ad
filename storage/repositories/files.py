"""Files: what a project calls a blob, and how long it keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, literal, or_, select, tuple_, update

from storage.database import Database, Transaction
from storage.lookups.lookup import Lookup
from storage.repositories.blobs import BlobRows
from storage.tables.files import FileRow
from storage.tables.types import core, plain

FILES = core(FileRow)
READ_ON = timedelta(minutes=5)
"""What those who are reading a file get to read on when it is deleted."""


@dataclass(frozen=True, slots=True)
class File:
    """`sha256` is hex; `expires_at` None is never."""

    id: str
    project_id: str
    created_at: datetime
    filename: str
    purpose: str
    media_type: str
    size_bytes: int
    sha256: str
    blob_key: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FilePage:
    """`limit` None is all; `after` is the id of the file before the first."""

    limit: int | None = None
    offset: int = 0
    after: str | None = None
    purpose: str | None = None
    newest_first: bool = True


@dataclass(frozen=True, slots=True)
class Files:
    """A file whose time is over by `now` is not there, whether it was cleaned away or not."""

    database: Database

    async def insert(self, tx: Transaction, file: File) -> None:
        """Raises `StorageConflict` when its blob is not there to be held."""
        await BlobRows(self.database).hold(tx, file.project_id, file.blob_key)
        await tx.execute(FILES.insert().values(asdict(file)))

    async def get(self, project_id: str, file_id: str, now: datetime) -> File | None:
        if "\0" in file_id:
            return None
        found = await self.database.find(FILE, project_id, file_id)
        return None if found is None or (found.expires_at is not None and found.expires_at <= now) else found

    async def list(self, project_id: str, page: FilePage, now: datetime) -> list[File] | None:
        """None when there is no file `after`; one that was deleted lately still marks its place."""
        place = (FILES.c.created_at, FILES.c.id)
        query = select(*COLUMNS).where(_wanted(project_id, page.purpose, now))
        query = query.order_by(*(column.desc() if page.newest_first else column for column in place))
        if page.after is not None:
            created_at = await self._created_at(project_id, page.after)
            if created_at is None:
                return None
            cursor = tuple_(literal(created_at, FILES.c.created_at.type), literal(page.after))
            query = query.where(tuple_(*place) < cursor if page.newest_first else tuple_(*place) > cursor)
        query = query.limit(page.limit).offset(page.offset or None)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [File(**plain(row)) for row in rows]

    async def count(self, project_id: str, purpose: str | None, now: datetime) -> int:
        query = select(func.count()).select_from(FILES).where(_wanted(project_id, purpose, now))
        async with self.database.reading() as connection:
            return int(await connection.scalar(query) or 0)

    async def delete(self, project_id: str, file_id: str, now: datetime) -> bool:
        """Lets go of the blob; the row stays for a while, unseen. False when there was none."""
        if "\0" in file_id:
            return False
        async with self.database.writing() as tx:
            return await self._end(tx, _mine(project_id, file_id) & _alive(now), now) == 1

    async def expire(self, now: datetime, limit: int) -> int:
        """Deletes files of every project whose time is over; answers how many."""
        over = (FILES.c.expires_at <= now) & FILES.c.deleted_at.is_(None)
        some = select(FILES.c.id).where(over).order_by(FILES.c.expires_at).limit(limit)
        async with self.database.writing() as tx:
            return await self._end(tx, FILES.c.id.in_(some) & over, now)

    async def purge(self, before: datetime, limit: int) -> int:
        """Drops rows of files that were deleted before then; answers how many."""
        some = select(FILES.c.id).where(FILES.c.deleted_at < before).order_by(FILES.c.deleted_at).limit(limit)
        async with self.database.writing() as tx:
            return (await tx.execute(delete(FILES).where(FILES.c.id.in_(some)))).rowcount

    async def _end(self, tx: Transaction, which: ColumnElement[bool], now: datetime) -> int:
        ended = update(FILES).where(which).values(deleted_at=now).returning(FILES.c.project_id, FILES.c.blob_key)
        rows = (await tx.execute(ended)).all()
        for project_id, blob_key in sorted(rows, key=lambda row: row[1]):
            await BlobRows(self.database).release(tx, project_id, blob_key, now + READ_ON)
        return len(rows)

    async def _created_at(self, project_id: str, file_id: str) -> datetime | None:
        if "\0" in file_id:
            return None
        async with self.database.reading() as connection:
            found: datetime | None = await connection.scalar(
                select(FILES.c.created_at).where(_mine(project_id, file_id))
            )
        return found


FILE = Lookup(FILES, ("project_id", "id"), File, FILES.c.deleted_at.is_(None))
COLUMNS = [column for column in FILES.c if column.name != "deleted_at"]


def _mine(project_id: str, file_id: str) -> ColumnElement[bool]:
    return (FILES.c.project_id == project_id) & (FILES.c.id == file_id)


def _alive(now: datetime) -> ColumnElement[bool]:
    return FILES.c.deleted_at.is_(None) & or_(FILES.c.expires_at.is_(None), FILES.c.expires_at > now)


def _wanted(project_id: str, purpose: str | None, now: datetime) -> ColumnElement[bool]:
    mine = (FILES.c.project_id == project_id) & _alive(now)
    return mine if purpose is None else mine & (FILES.c.purpose == purpose)
