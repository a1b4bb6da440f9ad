"""Files and the blobs they hold: nothing that is referred to goes, nothing else stays."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from handlers.core.errors import Invalid, NotFound, TooLarge
from handlers.core.files import UPLOAD_SECONDS, FilePage, FileStore, NewFile
from handlers.core.files_cleaning import ROWS_KEPT_SECONDS, FileCleaning
from storage.blobs.local import LocalBlobs
from storage.database import Database
from storage.repositories.blobs import BlobRows
from storage.tables.types import instant
from tests.contract.storage.conftest import Two

NEW = NewFile("a.txt", "batch", "text/plain")


@dataclass
class Clock:
    now: float = 1_790_000_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@dataclass
class Shop:
    files: FileStore
    clock: Clock
    folder: Path

    @property
    def on_disk(self) -> list[str]:
        return sorted(path.name for path in self.folder.rglob("*") if path.is_file())

    async def clean(self) -> list[int]:
        """How many files expired, blobs were removed and rows forgotten."""
        cleaning = FileCleaning(self.files)
        return [await act() for act in (cleaning._expire, cleaning._remove_blobs, cleaning._purge)]


CLOCK = Clock()


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> Shop:
    clock = CLOCK
    files = FileStore(database, LocalBlobs(tmp_path), clock, lambda noun: f"{noun}-{uuid.uuid4().hex}")
    shop = Shop(files, clock, tmp_path)
    clock.now += 2 * ROWS_KEPT_SECONDS  # what other tests left is over
    while any(await shop.clean()):
        pass
    return shop


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def text_of(content: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in content])


async def test_a_file_is_its_projects_alone(shop: Shop, projects: Two) -> None:
    mine, other = projects.mine.id, projects.other.id
    file = await shop.files.create(mine, pieces(b"hel", b"lo"), NEW)
    assert (file.size_bytes, file.purpose, file.media_type) == (5, "batch", "text/plain")
    assert await shop.files.get(mine, file.id) == file
    assert await text_of(await shop.files.open(file)) == b"hello"
    assert await shop.files.read(file, 5) == b"hello"
    with pytest.raises(TooLarge):
        await shop.files.read(file, 4)
    for act in (shop.files.get, shop.files.delete):
        with pytest.raises(NotFound):
            await act(other, file.id)
    with pytest.raises(NotFound):
        await shop.files.list(other, FilePage(after=file.id))
    assert await shop.files.list(other, FilePage()) == ([], False)
    assert (await shop.files.count(mine), await shop.files.count(other)) == (1, 0)


async def test_pages_in_both_orders_and_by_purpose(shop: Shop, projects: Two) -> None:
    mine = projects.mine.id
    made = [
        await shop.files.create(mine, pieces(b"x"), NewFile(f"{n}", "batch" if n % 2 else "evals")) for n in range(5)
    ]

    async def ids(page: FilePage) -> tuple[list[str], bool]:
        found, has_more = await shop.files.list(mine, page)
        return [file.filename for file in found], has_more

    assert await ids(FilePage(limit=2)) == (["4", "3"], True)
    assert await ids(FilePage(limit=2, after=made[3].id)) == (["2", "1"], True)
    assert await ids(FilePage(limit=2, after=made[1].id)) == (["0"], False)
    assert await ids(FilePage(limit=3, after=made[1].id, newest_first=False)) == (["2", "3", "4"], False)
    assert await ids(FilePage(limit=2, offset=3)) == (["1", "0"], False)
    assert await ids(FilePage(purpose="batch")) == (["3", "1"], False)
    assert await shop.files.count(mine, "batch") == 2
    await shop.files.delete(mine, made[3].id)
    assert await ids(FilePage(limit=9, after=made[3].id)) == (["2", "1", "0"], False)
    for unknown in ("file-x", "a\0b"):
        with pytest.raises(NotFound):
            await ids(FilePage(after=unknown))


async def test_a_deleted_file_is_gone_at_once_and_its_bytes_soon(shop: Shop, projects: Two) -> None:
    mine = projects.mine.id
    gone, stays = [await shop.files.create(mine, pieces(b"x"), NEW) for _ in range(2)]
    await shop.files.delete(mine, gone.id)
    with pytest.raises(NotFound):
        await shop.files.get(mine, gone.id)
    with pytest.raises(NotFound):
        await shop.files.delete(mine, gone.id)
    assert await shop.clean() == [0, 0, 0]
    assert shop.on_disk == sorted([gone.id, stays.id])
    shop.clock.now += 600
    assert await shop.clean() == [0, 1, 0]
    assert shop.on_disk == [stays.id]
    shop.clock.now += ROWS_KEPT_SECONDS
    assert await shop.clean() == [0, 0, 1]


async def test_a_blob_that_something_else_holds_outlives_its_file(
    shop: Shop, projects: Two, database: Database
) -> None:
    mine, rows = projects.mine.id, BlobRows(database)
    file = await shop.files.create(mine, pieces(b"x"), NEW)
    async with database.writing() as tx:
        await rows.hold(tx, mine, file.blob_key)
    await shop.files.delete(mine, file.id)
    shop.clock.now += 600
    assert await shop.clean() == [0, 0, 0]
    async with database.writing() as tx:
        await rows.release(tx, mine, file.blob_key, instant(shop.clock()))
    assert await shop.clean() == [0, 1, 0]
    assert shop.on_disk == []


async def test_an_expired_file_is_not_there_before_it_is_cleaned_away(shop: Shop, projects: Two) -> None:
    mine = projects.mine.id
    file = await shop.files.create(mine, pieces(b"x"), NewFile("a", "batch", expires_after_seconds=3600))
    assert (await shop.files.get(mine, file.id)).expires_at == instant(file.created_at.timestamp() + 3600)
    shop.clock.now += 3600
    with pytest.raises(NotFound):
        await shop.files.get(mine, file.id)
    with pytest.raises(NotFound):
        await shop.files.delete(mine, file.id)
    assert await shop.files.list(mine, FilePage()) == ([], False)
    assert await shop.files.count(mine) == 0
    assert await shop.clean() == [1, 0, 0]
    shop.clock.now += 600
    assert await shop.clean() == [0, 1, 0]


async def test_an_upload_that_breaks_off_leaves_nothing(shop: Shop, projects: Two) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    def describe() -> NewFile:
        raise Invalid("no purpose")

    mine = projects.mine.id
    with pytest.raises(ConnectionResetError):
        await shop.files.create(mine, broken(), NEW)
    with pytest.raises(Invalid):
        await shop.files.create(mine, pieces(b"whole"), describe)
    for wrong in (NewFile("a", "b" * 1025), NewFile("a\0", "batch"), NewFile("a" * 1025, "b")):
        with pytest.raises(Invalid):
            await shop.files.create(mine, pieces(b"whole"), wrong)
    assert shop.on_disk == []
    assert await shop.files.count(mine) == 0


async def test_what_a_crash_left_behind_is_swept(shop: Shop, projects: Two, database: Database) -> None:
    """A process that dies between the bytes and the row leaves both an announcement and a blob."""
    mine, now = projects.mine.id, shop.clock.now
    await BlobRows(database).announce(mine, "files/orphan", instant(now + UPLOAD_SECONDS))
    await shop.files.blobs.put("files/orphan", pieces(b"x"))
    assert await shop.clean() == [0, 0, 0]
    shop.clock.now += UPLOAD_SECONDS + 1
    assert await shop.clean() == [0, 1, 0]
    assert shop.on_disk == []


async def test_many_who_let_go_at_once_leave_no_blob(shop: Shop, projects: Two, database: Database) -> None:
    mine, rows = projects.mine.id, BlobRows(database)
    file = await shop.files.create(mine, pieces(b"x"), NEW)

    async def use() -> None:
        async with database.writing() as tx:
            await rows.hold(tx, mine, file.blob_key)
        async with database.writing() as tx:
            await rows.release(tx, mine, file.blob_key, instant(shop.clock()))

    await asyncio.gather(*(use() for _ in range(8)), shop.files.delete(mine, file.id))
    shop.clock.now += 600
    assert await shop.clean() == [0, 1, 0]
