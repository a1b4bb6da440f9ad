"""Rows of a batch over both databases: who waits, who fails, and what is done again after a crash."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest

from handlers.core.batches import Asked, Told
from handlers.core.batches.answering import TRIES, Answering, Place
from handlers.core.files import FileStore, NewFile
from handlers.core.jobs import Jobs
from storage.blobs.local import LocalBlobs
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.ledger_record import Record
from storage.repositories.batches import Batch, Batches, Item, ItemStatus, Status
from storage.tables.types import instant
from tests.contract.jobs.conftest import PATIENCE_SECONDS
from tests.contract.storage.conftest import Two
from tests.unit.handlers.bench import make_services

ROWS = 40
COMPLETED: tuple[ItemStatus] = ("completed",)
IN_PROGRESS: tuple[Status] = ("in_progress",)


def told(asked: Asked, status: int = 200, wait_seconds: float | None = None, *, by_limit: bool = False) -> Told:
    record = Record(asked.request_id, "ipop", asked.operation_id, time.time())
    return Told(status, {"n": asked.body["n"]}, record, wait_seconds, by_limit)


@dataclass
class FakeDesk:
    """Answers as `answer` says; remembers how often each row was asked for, and what was recorded."""

    answer: Callable[[Asked, int], Told]
    asked: Counter[int] = field(default_factory=Counter)
    recorded: list[str] = field(default_factory=list)

    async def ask(self, asked: Asked) -> Told:
        self.asked[asked.body["n"]] += 1
        await asyncio.sleep(0)
        return self.answer(asked, self.asked[asked.body["n"]])

    async def record(self, told: Told) -> None:
        self.recorded.append(told.record.request_id)


@dataclass
class Bench:
    batches: Batches
    batch: Batch
    make: Callable[[FakeDesk, Batch], Answering]

    async def run(self, desk: FakeDesk) -> Batch:
        await self.make(desk, await self.now()).run()
        return await self.now()

    async def now(self) -> Batch:
        found = await self.batches.get(self.batch.project_id, self.batch.id)
        assert found is not None
        return found


async def nothing(_: float) -> None:
    """Nobody follows."""


@pytest.fixture
async def rows(database: Database, projects: Two, tmp_path: Path) -> Bench:
    mine, batches = projects.mine.id, Batches(database)
    files = FileStore(database, LocalBlobs(tmp_path), time.time, lambda noun: f"{noun}-{mine}")
    lines = [orjson.dumps({"custom_id": f"c{n}", "body": {"n": n}}) for n in range(ROWS)]

    async def pieces() -> AsyncIterator[bytes]:
        yield b"\n".join(lines)

    file = await files.create(mine, pieces(), NewFile("in.jsonl", "batch"))
    now = time.time()
    batch = Batch(
        id=f"batch-{mine}",
        project_id=mine,
        project="p",
        endpoint="chat_completions",
        input_file_id=file.id,
        blob_key=file.blob_key,
        window_seconds=60,
        created_at=instant(now),
        deadline_at=instant(now + 60),
        status="in_progress",
        total=ROWS,
    )
    async with database.writing() as tx:
        await batches.insert(tx, batch)
    starts = [sum(len(line) + 1 for line in lines[:n]) for n in range(ROWS)]
    await batches.add(batch, [Item(n, f"c{n}", starts[n], len(lines[n])) for n in range(ROWS)])
    services = make_services(jobs=Jobs(database, time.time, str), files=files, clock=time.time)

    def make(desk: FakeDesk, batch: Batch) -> Answering:
        return Answering(Place(batch, "chat_completions_create", frozenset()), desk, services, nothing)

    return Bench(batches, batch, make)


async def test_every_row_is_asked_for_once_and_recorded(rows: Bench) -> None:
    desk = FakeDesk(lambda asked, _: told(asked, 400 if asked.body["n"] % 10 == 0 else 200))
    done = await rows.run(desk)
    assert (done.completed, done.failed) == (36, 4)
    assert desk.asked == Counter(range(ROWS))
    assert len(set(desk.recorded)) == ROWS
    for item in await rows.batches.items(rows.batch.id):
        line = orjson.loads(item.line or "")
        assert (line["custom_id"], line["response"]["body"]) == (f"c{item.number}", {"n": item.number})
        assert line["response"]["request_id"] in desk.recorded


async def test_a_limit_is_waited_for_and_recorded_once(rows: Bench) -> None:
    def answer(asked: Asked, number: int) -> Told:
        if asked.body["n"] < 3 and number <= TRIES + 2:
            return told(asked, 429, 0.001, by_limit=True)
        return told(asked)

    desk = FakeDesk(answer)
    done = await rows.run(desk)
    assert (done.completed, done.failed) == (ROWS, 0)
    assert [desk.asked[n] for n in range(4)] == [TRIES + 3] * 3 + [1]
    assert len(desk.recorded) == ROWS


async def test_what_a_crash_interrupted_goes_on_without_the_rows_that_are_done(rows: Bench) -> None:
    def breaking(asked: Asked, _: int) -> Told:
        if asked.body["n"] == 35:
            raise StorageUnavailable("away")
        return told(asked)

    desk = FakeDesk(breaking)
    with pytest.raises(StorageUnavailable):
        await rows.run(desk)
    before = {item.number for item in await rows.batches.items(rows.batch.id, statuses=COMPLETED)}
    again = FakeDesk(lambda asked, _: told(asked))
    done = await rows.run(again)
    assert (done.completed, done.failed) == (ROWS, 0)
    assert set(again.asked) == set(range(ROWS)) - before
    assert set(again.recorded) - set(desk.recorded) <= {*again.recorded}
    assert len({*desk.recorded, *again.recorded}) == ROWS


async def test_rows_that_wait_are_let_go_when_the_batch_is_cancelled(rows: Bench) -> None:
    waiting = asyncio.Event()

    def answer(asked: Asked, _: int) -> Told:
        if asked.body["n"] % 2:
            return told(asked)
        waiting.set()
        return told(asked, 429, 1000.0, by_limit=True)

    running = asyncio.ensure_future(rows.run(FakeDesk(answer)))
    await waiting.wait()
    assert await rows.batches.move(rows.batch, IN_PROGRESS, "cancelling")
    async with asyncio.timeout(PATIENCE_SECONDS):
        done = await running
    assert (done.failed, done.completed <= ROWS // 2) == (0, True)
