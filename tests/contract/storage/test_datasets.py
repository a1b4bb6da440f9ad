"""Datasets: any row by its number, whatever pieces it came in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from storage.database import Database
from storage.errors import StorageConflict
from storage.repositories.datasets import CHUNK_ROWS, Dataset, DatasetPage, Datasets
from storage.tables.types import instant
from tests.contract.storage.conftest import Two

NOW = instant(1_790_000_000.5)


async def made(database: Database, project_id: str, name: str, rows: list[str], **more: Any) -> Dataset:
    dataset = Dataset(
        **{
            "key": f"ds-{project_id}-{name}",
            "project_id": project_id,
            "id": name,
            "created_at": NOW,
            "built_at": NOW,
            "about": {"a": "\0"},
            "fingerprint": "f",
            "size": len(rows),
            **more,
        }
    )
    async with database.writing() as tx:
        await Datasets(database).insert(tx, dataset, rows)
    return dataset


def texts(start: int, stop: int) -> list[str]:
    return [f'{{"n":{number}}}' for number in range(start, stop)]


async def test_any_window_of_rows(database: Database, projects: Two) -> None:
    datasets, mine = Datasets(database), projects.mine.id
    size = 3 * CHUNK_ROWS + 7
    dataset = await made(database, mine, "x::y/z", texts(0, size))
    assert await datasets.get(mine, "x::y/z") == dataset
    for start, stop in ((0, 1), (0, size), (CHUNK_ROWS - 1, CHUNK_ROWS + 1), (CHUNK_ROWS, CHUNK_ROWS * 2), (700, size)):
        assert await datasets.rows(dataset, start, stop) == texts(start, stop)
    assert await datasets.rows(dataset, size, size + 10) == []


async def test_long_rows_and_pieces_of_any_size(database: Database, projects: Two) -> None:
    datasets, mine = Datasets(database), projects.mine.id
    rows = [f'"{"x" * (number % 5 * 60_000)}{number}"' for number in range(40)]
    dataset = await made(database, mine, "long", rows[:20])
    for at in range(20, 40, 3):
        await datasets.append(mine, "long", rows[at : at + 3])
    assert await datasets.rows(dataset, 0, 40) == rows
    assert await datasets.rows(dataset, 18, 23) == rows[18:23]


async def test_rows_that_come_at_once_get_a_number_each(database: Database, projects: Two) -> None:
    datasets, mine = Datasets(database), projects.mine.id
    dataset = await made(database, mine, "many", [])
    sizes = await asyncio.gather(*(datasets.append(mine, "many", [f"{n}", f"{n}"]) for n in range(8)))
    assert sorted(size or 0 for size in sizes) == list(range(2, 18, 2))
    assert sorted(await datasets.rows(dataset, 0, 16)) == sorted(f"{n}" for n in range(8) for _ in range(2))
    assert await datasets.append(mine, "none", ["1"]) is None


async def test_a_dataset_is_its_projects_alone(database: Database, projects: Two) -> None:
    datasets, mine, other = Datasets(database), projects.mine.id, projects.other.id
    await made(database, mine, "a", ["1"])
    with pytest.raises(StorageConflict):
        await made(database, mine, "a", ["2"], key="ds-again")
    await made(database, other, "a", ["2"])
    assert await datasets.append(other, "a", ["3"]) == 2
    assert not await datasets.delete(other, "b")
    assert await datasets.delete(other, "a")
    assert await datasets.get(other, "a") is None
    kept = await datasets.get(mine, "a")
    assert kept is not None
    assert await datasets.rows(kept, 0, 9) == ["1"]
    assert await datasets.get(mine, "a\0") is None


async def test_pages_newest_first_and_by_container(database: Database, projects: Two) -> None:
    datasets, mine = Datasets(database), projects.mine.id
    for n in range(4):
        at = NOW + timedelta(seconds=n)
        await made(database, mine, f"{n}", [], created_at=at, container_id="c" if n % 2 else None)

    async def ids(page: DatasetPage) -> list[str]:
        return [dataset.id for dataset in await datasets.list(mine, page)]

    assert await ids(DatasetPage(2)) == ["3", "2"]
    assert await ids(DatasetPage(2, 3)) == ["0"]
    assert await ids(DatasetPage()) == ["3", "2", "1", "0"]
    assert await ids(DatasetPage(container_id="c")) == ["3", "1"]
    assert (await datasets.count(mine), await datasets.count(mine, "c")) == (4, 2)


async def test_what_is_built_is_built_once(database: Database, projects: Two) -> None:
    datasets, mine = Datasets(database), projects.mine.id
    dataset = await made(database, mine, "built", [], built_at=None)
    await datasets.build(dataset, ["1", "2"], NOW)
    await datasets.build(dataset, ["3"], NOW)
    found = await datasets.get(mine, "built")
    assert found is not None
    assert (found.size, found.built_at) == (2, NOW)
    assert await datasets.rows(found, 0, 9) == ["1", "2"]
