"""Rows by their key: what was committed before is seen, whoever did, and read as SQLAlchemy does."""

from __future__ import annotations

import asyncio
import os
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import select, text

from storage.database import Database
from storage.errors import RowRefused, StorageUnavailable
from storage.lookups.in_postgres import MOST_CONNECTIONS
from storage.repositories.blobs import BlobRows
from storage.repositories.containers import BY_LABEL, CONTAINERS, Container, Containers
from storage.repositories.files import FILE, File, Files
from storage.repositories.kv import KvItems, KvWrite
from storage.repositories.models import RegisteredModel, RegisteredModels
from storage.tables.types import plain
from tests.contract.storage.conftest import Two

NOW = datetime(2026, 5, 30, 12, 30, 15, 123456, tzinfo=UTC)
NOW_US = int(NOW.timestamp() * 1_000_000)


def write(key: str, value: bytes) -> KvWrite:
    return KvWrite(key, "bytes", "application/octet-stream", value)


def container(project_id: str, label: str = "one") -> Container:
    return Container(
        id=f"{project_id}-{label}",
        project_id=project_id,
        label=label,
        api="chat.completions",
        initial_model="m",
        created_at=NOW,
        default_parameters={"temperature": 0.5, "large": 2**63, "text": "ä\u2028"},
        options={"nested": [{"a": None}, True, 1e30]},
        default_few_shot_messages=[{"role": "user", "content": "x"}],
    )


async def put_file(database: Database, file: File) -> None:
    await BlobRows(database).announce(file.project_id, file.blob_key, NOW)
    async with database.writing() as tx:
        await Files(database).insert(tx, file)


def file(project_id: str, file_id: str, expires_at: datetime | None = None) -> File:
    key = f"files/{project_id}/{file_id}"
    return File(file_id, project_id, NOW, "a.txt", "user_data", "text/plain", 2**40, "0" * 64, key, expires_at)


async def test_a_row_is_what_sqlalchemy_reads(database: Database, projects: Two) -> None:
    made = container(projects.mine.id)
    await Containers(database).insert(made)
    columns = [CONTAINERS.c[field.name] for field in fields(Container)]
    async with database.reading() as connection:
        row = (await connection.execute(select(*columns).where(CONTAINERS.c.id == made.id))).one()
    found = await database.find(BY_LABEL, projects.mine.id, "one")
    assert found == Container(**plain(row))
    assert found is not None
    assert replace(found, default_parameters=made.default_parameters) == made
    assert found.created_at.tzinfo is not None


@pytest.mark.parametrize("expires_at", [None, NOW + timedelta(microseconds=1), NOW + timedelta(days=30)])
async def test_moments_keep_their_microseconds(database: Database, projects: Two, expires_at: datetime | None) -> None:
    made = file(projects.mine.id, f"file-{projects.mine.id}", expires_at)
    await put_file(database, made)
    assert await Files(database).get(projects.mine.id, made.id, NOW) == made


async def test_what_is_over_deleted_or_anothers_is_not_there(database: Database, projects: Two) -> None:
    mine, files = projects.mine.id, Files(database)
    over, deleted = file(mine, f"over-{mine}", NOW), file(mine, f"deleted-{mine}")
    for made in (over, deleted):
        await put_file(database, made)
    assert await files.get(projects.other.id, deleted.id, NOW) is None
    assert await files.get(mine, over.id, NOW) is None
    assert await files.get(mine, over.id, NOW - timedelta(microseconds=1)) == over
    assert await files.delete(mine, deleted.id, NOW)
    assert await files.get(mine, deleted.id, NOW) is None
    assert await database.find(FILE, mine, "absent") is None


async def test_what_another_has_committed_is_seen_at_once(database: Database, database_url: str, projects: Two) -> None:
    mine, another = projects.mine.id, Database.open(database_url)
    try:
        for number in range(50):
            value = b"%d" % number
            await KvItems(another).put(mine, write("k", value), NOW_US)
            found = await KvItems(database).get(mine, "k", NOW_US)
            assert found is not None
            assert (found.value, found.version) == (value, number + 1)
    finally:
        await another.close()


async def test_what_is_not_committed_is_not_seen(database: Database, projects: Two) -> None:
    made = container(projects.mine.id)
    async with database.writing() as tx:
        await tx.execute(CONTAINERS.insert().values({f.name: getattr(made, f.name) for f in fields(Container)}))
        assert await Containers(database).find(projects.mine.id, "one") is None
    assert await Containers(database).find(projects.mine.id, "one") is not None


async def test_rows_that_share_a_key_come_in_their_order(database: Database, projects: Two) -> None:
    mine, models = projects.mine.id, RegisteredModels(database)
    made = [RegisteredModel(mine, name, "m", "simulator", "llm", NOW, {"n": name}) for name in ("b", "c", "a")]
    for model in made:
        await models.put(model)
    assert await models.list(mine) == sorted(made, key=lambda model: model.identifier)
    assert await models.list(projects.other.id) == []


async def test_many_at_once_get_each_their_own(database: Database, projects: Two) -> None:
    items = KvItems(database)
    places = [(project.id, f"k{n}") for project in (projects.mine, projects.other) for n in range(20)]
    for project_id, key in places:
        await items.put(project_id, write(key, f"{project_id}{key}".encode()), NOW_US)
    asked = [*places, (projects.mine.id, "absent")] * 3
    found = await asyncio.gather(*(items.get(*place, NOW_US) for place in asked))
    values = [item.value if item else None for item in found]
    assert values == [f"{p}{k}".encode() if k != "absent" else None for p, k in asked]


async def test_who_goes_away_leaves_the_others_their_answers(database: Database, projects: Two) -> None:
    items, mine = KvItems(database), projects.mine.id
    await items.put(mine, write("k", b"v" * 1_000_000), NOW_US)
    asking = [asyncio.ensure_future(items.get(mine, "k", NOW_US)) for _ in range(20)]
    await asyncio.sleep(0)
    for gone in asking[::2]:
        gone.cancel()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in found[::2])
    assert {len(one.value or b"") for one in found[1::2] if not isinstance(one, BaseException) and one} == {1_000_000}
    assert await items.get(mine, "k", NOW_US) is not None


async def test_a_text_that_cannot_be_kept_is_refused(database: Database, projects: Two) -> None:
    await KvItems(database).put(projects.mine.id, write("k", b"1"), NOW_US)
    with pytest.raises(RowRefused):
        await KvItems(database).get(projects.mine.id, "\ud800", NOW_US)
    assert await KvItems(database).get(projects.mine.id, "k", NOW_US) is not None


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/none.db", "postgresql://nobody@127.0.0.1:1/none"):
        database = Database.open(url, is_made=False)
        for _ in range(2):
            with pytest.raises(StorageUnavailable):
                await KvItems(database).get("p", "k", NOW_US)
        await database.close()
    assert os.listdir(tmp_path) == []


async def test_a_database_that_comes_back_is_read_again(tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{tmp_path}/a.db", is_made=False)
    with pytest.raises(StorageUnavailable):
        await KvItems(database).get("p", "k", NOW_US)
    await database.upgrade()
    await KvItems(database).put("p", write("k", b"1"), NOW_US)
    assert await KvItems(database).get("p", "k", NOW_US) is not None
    await database.close()
    with pytest.raises(StorageUnavailable):
        await KvItems(database).get("p", "k", NOW_US)


async def test_connections_that_were_cut_are_made_anew(empty_postgres_url: str) -> None:
    database = Database.open(empty_postgres_url)
    await database.upgrade()
    await KvItems(database).put("p", write("k", b"1"), NOW_US)
    await asyncio.gather(*(KvItems(database).get("p", "k", NOW_US) for _ in range(8)))
    cutter = await asyncpg.connect(empty_postgres_url)
    await cutter.execute(
        "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await cutter.close()

    async def read() -> bool:
        try:
            return await KvItems(database).get("p", "k", NOW_US) is not None
        except StorageUnavailable:
            return False

    assert [await read() for _ in range(MOST_CONNECTIONS + 1)][-1]
    await database.close()


async def test_a_reader_leaves_no_transaction_open(tmp_path: Path) -> None:
    """Or else SQLite's log would only grow."""
    database = Database.open(f"sqlite:///{tmp_path}/a.db")
    await database.upgrade()
    await KvItems(database).put("p", write("k", b"1"), NOW_US)
    assert await KvItems(database).get("p", "k", NOW_US) is not None
    await KvItems(database).put("p", write("k", b"2"), NOW_US)
    async with database.reading() as connection:
        busy, *_ = (await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))).one()
    assert busy == 0
    await database.close()
