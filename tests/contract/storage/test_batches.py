"""Batches and their rows: whatever is written twice counts once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage.database import Database
from storage.errors import StorageConflict
from storage.repositories.batches import Batch, Batches, Done, End, Item, ItemStatus, Status
from storage.repositories.blobs import BlobRows
from storage.tables.types import instant
from tests.contract.storage.conftest import Two

NOW = instant(1_790_000_000.5)
VALIDATING: tuple[Status] = ("validating",)
PENDING: tuple[ItemStatus] = ("pending",)
CANCELLED: tuple[ItemStatus] = ("cancelled",)


async def announced(database: Database, project_id: str, number: int = 0) -> str:
    key = f"files/{project_id}/{number}"
    await BlobRows(database).announce(project_id, key, NOW)
    return key


async def made(database: Database, project_id: str, number: int = 0, **more: Any) -> Batch:
    batch = Batch(
        id=f"batch-{project_id}-{number}",
        project_id=project_id,
        project="p",
        endpoint="chat_completions",
        input_file_id="file-1",
        blob_key=await announced(database, project_id, number),
        window_seconds=60,
        created_at=NOW + timedelta(seconds=number),
        deadline_at=NOW + timedelta(seconds=60),
        **more,
    )
    async with database.writing() as tx:
        await Batches(database).insert(tx, batch)
    return batch


def items(count: int) -> list[Item]:
    return [Item(number, f"c{number}", number * 10, 9) for number in range(count)]


async def test_a_batch_is_its_projects_alone(database: Database, projects: Two) -> None:
    batches, mine = Batches(database), projects.mine.id
    batch = await made(database, mine, told={"a": "\0"}, models=["m"])
    assert await batches.get(mine, batch.id) == batch
    assert await batches.get(projects.other.id, batch.id) is None
    assert await batches.get(mine, "a\0b") is None
    assert await batches.list(projects.other.id, None, 10) == []
    assert await batches.list(projects.other.id, batch.id, 10) == []


async def test_pages_newest_first(database: Database, projects: Two) -> None:
    batches, mine = Batches(database), projects.mine.id
    ids = [(await made(database, mine, number)).id for number in range(3)]
    assert [batch.id for batch in await batches.list(mine, None, 2)] == [ids[2], ids[1]]
    assert [batch.id for batch in await batches.list(mine, ids[1], 2)] == [ids[0]]


async def test_it_holds_its_input_until_it_ends_once(database: Database, projects: Two) -> None:
    batches, blobs, mine = Batches(database), BlobRows(database), projects.mine.id
    batch = await made(database, mine)
    later = NOW + timedelta(days=1)
    assert batch.blob_key not in await blobs.doom(later, 1000)
    assert await batches.end(batch, End("failed", NOW, faults=[{"code": "x"}]))
    assert not await batches.end(batch, End("completed", NOW))
    ended = await batches.get(mine, batch.id)
    assert ended is not None
    assert (ended.status, ended.faults, ended.is_final) == ("failed", [{"code": "x"}], True)
    assert batch.blob_key in await blobs.doom(later, 1000)


async def test_an_input_that_is_gone_makes_no_batch(database: Database, projects: Two) -> None:
    batch = await made(database, projects.mine.id)
    other = replace(batch, id=f"{batch.id}-again", blob_key="files/none")
    with pytest.raises(StorageConflict):
        async with database.writing() as tx:
            await Batches(database).insert(tx, other)
    assert await Batches(database).get(projects.mine.id, other.id) is None


async def test_it_moves_only_from_where_it_is(database: Database, projects: Two) -> None:
    batches, mine = Batches(database), projects.mine.id
    batch = await made(database, mine)
    assert await batches.move(batch, VALIDATING, "in_progress", total=3)
    assert not await batches.move(batch, VALIDATING, "in_progress")
    assert await batches.move(batch, ("validating", "in_progress"), "cancelling", cancel_requested_at=NOW)
    found = await batches.get(mine, batch.id)
    assert found is not None
    assert (found.status, found.total, found.cancel_requested_at) == ("cancelling", 3, NOW)


async def test_rows_end_once_and_are_counted_once(database: Database, projects: Two) -> None:
    batches, mine = Batches(database), projects.mine.id
    batch = await made(database, mine)
    await batches.add(batch, items(5))
    await batches.settle(batch, [Done(0, "completed", '"\\u0000"'), Done(2, "failed", "f")], NOW)
    await batches.settle(batch, [Done(0, "failed", "again"), Done(3, "completed", "3")], NOW)
    await batches.settle(batch, [Done(0, "failed", "again")], NOW)
    await batches.add(batch, items(5))
    found = await batches.get(mine, batch.id)
    assert found is not None
    assert (found.completed, found.failed) == (2, 1)
    rows = await batches.items(batch.id)
    assert [(row.status, row.line) for row in rows] == [
        ("completed", '"\\u0000"'),
        ("pending", None),
        ("failed", "f"),
        ("completed", "3"),
        ("pending", None),
    ]
    assert [row.number for row in await batches.items(batch.id, 1, 2, PENDING)] == [4]
    await batches.cancel_rest(batch, NOW)
    assert [row.number for row in await batches.items(batch.id, statuses=CANCELLED)] == [1, 4]


async def test_rows_of_old_batches_are_forgotten(database: Database, projects: Two) -> None:
    batches, mine = Batches(database), projects.mine.id
    old, running = [await made(database, mine, number) for number in range(2)]
    for batch in (old, running):
        await batches.add(batch, items(3))
    await batches.end(old, End("completed", NOW))
    assert await batches.purge_items(NOW, 100) == 0
    assert await batches.purge_items(NOW + timedelta(seconds=1), 2) == 2
    assert await batches.purge_items(NOW + timedelta(seconds=1), 2) == 1
    assert (len(await batches.items(old.id)), len(await batches.items(running.id))) == (0, 3)
