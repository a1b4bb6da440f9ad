"""Backing up while servers run, restoring into nothing, copying from one database to another."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import func, select

from storage.blobs.interface import Blobs
from storage.copying.archive import SECRET_KEY, ArchiveReader, Manifest, reading, writing
from storage.copying.blobs import Packing, unpack
from storage.copying.copying import ArchiveSnapshot, copy, load_into, save, snapshot_of
from storage.copying.in_postgres import check_empty
from storage.copying.in_sqlite import check_absent
from storage.copying.schema import check_known
from storage.copying.shapes import Row, Shape
from storage.database import Database
from storage.errors import CopyRefused, StorageError
from storage.presence import BACKUP, Presence
from storage.tables.files import BlobRow
from storage.tables.jobs import JobRow
from storage.tables.types import core

BEAT_SECONDS = 5.0
BLOBS, JOBS = core(BlobRow), core(JobRow)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`made_at` and `program` are written into the manifest; `secret_key`, when there is one, into the archive."""

    path: Path
    made_at: str
    program: str
    secret_key: str | None = None


@dataclass(frozen=True, slots=True)
class BackedUp:
    """`missing` are some of the blobs that rows refer to and the store has not."""

    manifest: Manifest
    missing: Sequence[str]


async def back_up(database: Database, store: Blobs, wanted: Wanted) -> BackedUp:
    """Raises `storage.errors.StorageError`; then there is no file."""
    revision = await database.revision()
    if revision is None:
        raise CopyRefused("there is nothing to back up: the database is empty")
    check_known(revision)
    async with _present(Presence(database, process_id=f"{BACKUP}{uuid.uuid4().hex}")):
        await database.settle()
        with writing(wanted.path) as archive, tempfile.TemporaryFile() as keys:
            async with snapshot_of(database) as snapshot:
                tables = await save(snapshot, archive, lambda shape, rows: _note_blobs(keys, shape, rows))
                sequences = dict(await snapshot.sequences())
            keys.seek(0)
            packing = Packing(archive, store)
            blobs = await packing.pack(line.decode().rstrip("\n") for line in keys)
            if wanted.secret_key is not None:
                with archive.part(SECRET_KEY) as part:
                    part.write(wanted.secret_key.encode())
            manifest = Manifest(
                made_at=wanted.made_at,
                program=wanted.program,
                database=database.dialect,
                revision=snapshot.revision,
                tables=tuple(tables),
                sequences=sequences,
                blobs=blobs,
                has_secret_key=wanted.secret_key is not None,
                parts=tuple(archive.parts),
            )
            archive.finish(manifest)
    return BackedUp(manifest, packing.missing)


@dataclass(frozen=True, slots=True)
class Restoring:
    """An archive that was read through and found whole, and that fits."""

    archive: ArchiveReader

    @property
    def manifest(self) -> Manifest:
        return self.archive.manifest

    def secret_key(self) -> str | None:
        return self.archive.text(SECRET_KEY) if self.manifest.has_secret_key else None

    async def run(self, database: Database, store: Blobs) -> None:
        """Blobs come first: those stay when the rest fails, and are known the next time. Raises `StorageError`."""
        await unpack(self.archive, store)
        async with load_into(database, self.manifest.revision) as load:
            await copy(ArchiveSnapshot(self.archive), load)


@asynccontextmanager
async def restoring(path: Path, database: Database) -> AsyncIterator[Restoring]:
    """Changes nothing yet. Raises `CopyRefused` for a damaged archive and for a database that is not empty,
    `SchemaMismatch` for an archive of a newer version."""
    with reading(path) as archive:
        check_known(archive.manifest.revision)
        await _check_target(database, archive.manifest.revision)
        await asyncio.to_thread(archive.check)
        yield Restoring(archive)


@dataclass(frozen=True, slots=True)
class Copied:
    """`jobs` have not ended, in the source as in the copy."""

    rows: int
    jobs: int


async def copy_database(source: Database, target: Database) -> Copied:
    """Raises `CopyRefused` while processes use the source, and when the target is not empty; the target then is as it
    was."""
    revision = await source.revision()
    if revision is None:
        raise CopyRefused("there is nothing to copy: the database is empty")
    check_known(revision)
    await _check_target(target, revision)
    presence = Presence(source)
    await presence.bury()
    if living := await presence.living():
        raise CopyRefused(
            f"{len(living)} processes use the database: stop all servers and workers first (one that was killed counts"
            " for 20 seconds more)"
        )
    await source.settle()
    async with snapshot_of(source) as snapshot, load_into(target, revision) as load:
        rows = await copy(snapshot, load)
    async with target.reading() as connection:
        jobs = await connection.scalar(select(func.count()).select_from(JOBS).where(JOBS.c.finished_at.is_(None)))
    return Copied(rows, jobs or 0)


async def _check_target(target: Database, revision: str) -> None:
    if target.dialect == "sqlite":
        check_absent(target.path)
    else:
        await check_empty(target, revision)


def _note_blobs(keys: IO[bytes], shape: Shape, rows: Sequence[Row]) -> None:
    if shape.name == BLOBS.name:
        key, holders = shape.names.index("key"), shape.names.index("holders")
        keys.write("".join(f"{row[key]}\n" for row in rows if row[holders] > 0).encode())


@asynccontextmanager
async def _present(presence: Presence) -> AsyncIterator[None]:
    """Others see this process, for as long as the block lasts."""
    await presence.beat()
    try:
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(_beat(presence))
            yield
            beating.cancel()
    except BaseExceptionGroup as broken:
        raise broken.exceptions[0] from None
    finally:
        with suppress(StorageError):  # then its lease runs out
            await presence.leave()


async def _beat(presence: Presence) -> None:
    while True:
        await asyncio.sleep(BEAT_SECONDS)
        with suppress(StorageError):
            await presence.beat()
