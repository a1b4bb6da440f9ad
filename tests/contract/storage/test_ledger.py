from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy import func, select

from storage.database import Database
from storage.errors import RowRefused, StorageUnavailable
from storage.ledger.writer import Ledger, LedgerSettings
from storage.ledger_record import Record
from storage.presence import LEASE_SECONDS, Presence
from storage.repositories.credits import Credits
from storage.repositories.requests import REQUESTS, Requests
from tests.contract.storage.conftest import Two

NOW = 1_790_000_000.25


def request_of(project_id: str, **fields: object) -> Record:
    record = Record(f"req_{uuid.uuid4().hex}", "ipop", "chat_completions_create", NOW, project_id=project_id)
    return replace(record, **fields)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(database: Database, **settings: float) -> AsyncIterator[Ledger]:
    ledger = Ledger(database, Presence(database), LedgerSettings(**settings))  # type: ignore[arg-type]
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    async with opened(database) as ready:
        yield ready


async def test_a_request_is_kept_as_it_was_when_it_was_handed_in(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    record = request_of(projects.mine.id, streamed=True, model="a/b", metadata={"k": "ä", "n": None})
    await ledger.start(record)
    assert await Requests(database).get(projects.mine.id, record.request_id) == record
    done = replace(record, state="completed", http_status=200, prompt_tokens=3, cost_micros=7, duration_us=2**40)
    await ledger.finish(done)
    done.model = "changed after"
    assert await Requests(database).get(projects.mine.id, record.request_id) == replace(done, model="a/b")


async def test_a_project_sees_its_own_requests_alone(database: Database, ledger: Ledger, projects: Two) -> None:
    record = request_of(projects.mine.id, state="completed")
    await ledger.finish(record)
    requests = Requests(database)
    assert await requests.get(projects.other.id, record.request_id) is None
    assert await requests.list(projects.other.id) == []
    assert await requests.list(projects.other.id, after=record.request_id) == []


async def test_the_list_is_newest_first_and_its_cursor_survives_new_arrivals(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    requests, mine = Requests(database), projects.mine.id
    # two and two at one moment, so that the id has to decide
    records = [request_of(mine, state="completed", started_at=NOW + number // 2) for number in range(6)]
    await asyncio.gather(*map(ledger.finish, records))
    expected = sorted(records, key=lambda record: (record.started_at, record.request_id), reverse=True)
    first = await requests.list(mine, limit=4)
    assert first == expected[:4]
    await ledger.finish(request_of(mine, state="completed", started_at=NOW + 100))
    assert await requests.list(mine, limit=4, after=first[-1].request_id) == expected[4:]
    assert await requests.list(mine, after="req_unknown") == []


async def test_many_at_once_are_all_committed_when_their_callers_go_on(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    records = [request_of(projects.mine.id, state="completed") for _ in range(1_500)]
    await asyncio.gather(*map(ledger.finish, records))
    kept = await Requests(database).list(projects.mine.id, limit=2_000)
    assert {record.request_id for record in kept} == {record.request_id for record in records}


async def test_a_row_that_is_begun_is_written_meanwhile_and_once(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    requests, mine = Requests(database), projects.mine.id
    record, failed = request_of(mine), request_of(mine)
    begun = ledger.begin(record)
    await ledger.start(replace(record, model="later"), begun)
    assert await requests.get(mine, record.request_id) == record
    ledger.begin(failed)  # and nobody waits for it
    await ledger.finish(done := replace(failed, state="failed", http_status=502))
    assert await requests.get(mine, failed.request_id) == done


async def test_the_first_final_row_stands(database: Database, ledger: Ledger, projects: Two) -> None:
    record = request_of(projects.mine.id, state="completed", http_status=200)
    await ledger.finish(record)
    await ledger.finish(replace(record, state="failed", http_status=500))
    await ledger.start(replace(record, state="started"))
    assert await Requests(database).get(projects.mine.id, record.request_id) == record
    twice = request_of(projects.mine.id, state="completed")
    await asyncio.gather(ledger.start(replace(twice, state="started")), ledger.finish(twice), ledger.finish(twice))
    assert await Requests(database).get(projects.mine.id, twice.request_id) == twice


async def test_a_cost_is_debited_once(database: Database, ledger: Ledger, projects: Two) -> None:
    credit, mine = Credits(database), projects.mine.id
    async with database.writing() as tx:
        await credit.set(tx, mine, 10_000, datetime.now(UTC))
    record = request_of(mine, cost_micros=300)
    await ledger.start(record)
    assert await credit.balance(mine) == 10_000
    done = replace(record, state="completed")
    await asyncio.gather(ledger.finish(done), ledger.finish(done))
    await ledger.finish(replace(done, cost_micros=9_000))
    await asyncio.gather(*(ledger.finish(request_of(mine, state="failed", cost_micros=2)) for _ in range(50)))
    assert await credit.balance(mine) == 10_000 - 300 - 100
    spent = [entry for entry in await credit.entries(mine) if entry.request_id == record.request_id]
    assert [(entry.kind, entry.amount_micros) for entry in spent] == [("request", -300)]


async def test_a_project_without_an_account_is_not_debited(database: Database, ledger: Ledger, projects: Two) -> None:
    await ledger.finish(request_of(projects.mine.id, state="completed", cost_micros=300))
    assert await Credits(database).entries(projects.mine.id) == []


async def test_a_row_that_cannot_be_kept_fails_alone(database: Database, ledger: Ledger, projects: Two) -> None:
    bad = request_of(projects.mine.id, state="completed", prompt_tokens=2**70)
    good = [request_of(projects.mine.id, state="completed") for _ in range(20)]
    results = await asyncio.gather(*map(ledger.finish, [*good[:10], bad, *good[10:]]), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [RowRefused]
    assert len(await Requests(database).list(projects.mine.id)) == 20


async def test_metadata_that_json_cannot_hold_is_the_callers_error(ledger: Ledger, projects: Two) -> None:
    with pytest.raises(TypeError):
        await ledger.finish(request_of(projects.mine.id, state="completed", metadata={"x": object()}))


async def test_a_closed_ledger_has_written_its_backlog_and_takes_nothing_more(
    database: Database, projects: Two
) -> None:
    async with opened(database) as ledger:
        async with asyncio.TaskGroup() as group:
            for _ in range(300):
                group.create_task(ledger.finish(request_of(projects.mine.id, state="completed")))
            await asyncio.sleep(0)
            await ledger.close()
        assert len(await Requests(database).list(projects.mine.id, limit=400)) == 300
        with pytest.raises(StorageUnavailable, match="closed"):
            await ledger.finish(request_of(projects.mine.id, state="completed"))


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    """Nobody else can write requests in here."""
    if database.dialect == "sqlite":
        connection = sqlite3.connect(database.path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
        connection.close()
        return
    server = await asyncpg.connect(database.dsn)
    async with server.transaction():
        await server.execute("LOCK TABLE requests IN EXCLUSIVE MODE")
        yield
    await server.close()


async def test_while_postgres_is_locked_callers_are_told_and_nothing_acknowledged_is_lost(
    database: Database, projects: Two
) -> None:
    if database.dialect == "sqlite":
        pytest.skip("there the journal takes the rows")
    requests, mine = Requests(database), projects.mine.id
    early, refused, late = (request_of(mine, state="completed") for _ in range(3))
    started = request_of(mine)
    async with opened(database, timeout_seconds=0.3) as ledger:
        await ledger.finish(early)
        async with locked(database):
            with pytest.raises(StorageUnavailable):
                await ledger.start(started)
            with pytest.raises(StorageUnavailable):
                await ledger.finish(refused)
    async with opened(database) as ledger:
        await ledger.finish(late)
    for record in (early, refused, late):
        assert await requests.get(mine, record.request_id) == record
    told = await requests.get(mine, started.request_id)
    assert told is not None
    assert (told.state, told.http_status) == ("failed", 503)


async def test_while_sqlite_is_locked_rows_are_kept_and_come_when_they_can(database: Database, projects: Two) -> None:
    if database.dialect == "postgresql":
        pytest.skip("there a row is kept when it is committed")
    requests, mine = Requests(database), projects.mine.id
    records = [request_of(mine, state="completed") for _ in range(30)]
    async with opened(database) as ledger:
        async with locked(database):
            await asyncio.gather(*map(ledger.finish, records))
            async with database.reading() as connection:
                assert await connection.scalar(select(func.count()).where(REQUESTS.c.project_id == mine)) == 0
        kept = await requests.list(mine, limit=50)
    assert {record.request_id for record in kept} == {record.request_id for record in records}


def refusals(tasks: list[asyncio.Future[None]]) -> list[BaseException]:
    return [error for task in tasks if task.done() and (error := task.exception())]


async def test_a_full_backlog_refuses_at_once(database: Database, projects: Two) -> None:
    mine = projects.mine.id
    async with opened(database, backlog_rows=5, batch_rows=1, timeout_seconds=60) as ledger:
        async with locked(database):
            waiting = [asyncio.ensure_future(ledger.finish(request_of(mine, state="completed"))) for _ in range(8)]
            async with asyncio.timeout(60):
                while len(refusals(waiting)) < 2:  # noqa: ASYNC110 - a third may be in the writer's hands
                    await asyncio.sleep(0.01)
            assert all("full" in str(error) for error in refusals(waiting))
        results = await asyncio.gather(*waiting, return_exceptions=True)
        kept = [result for result in results if result is None]
        assert len(kept) in (5, 6)
        assert len(await Requests(database).list(mine)) == len(kept)


async def test_what_a_dead_process_started_is_interrupted_and_billed_as_far_as_it_came(
    database: Database, projects: Two
) -> None:
    credit, requests, mine = Credits(database), Requests(database), projects.mine.id
    async with database.writing() as tx:
        await credit.set(tx, mine, 1_000, datetime.now(UTC))
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    dying = Ledger(database, Presence(database, pid=child.pid))
    await dying.open()
    record = request_of(mine, streamed=True)
    await dying.start(record)
    await dying.start(replace(record, cost_micros=40, completion_tokens=8))
    async with opened(database) as survivor:
        await survivor.start(own := request_of(mine))
        assert await survivor.recover() == 0
        await child.communicate(b"\n")
        assert await survivor.recover() == 1
        found = await requests.get(mine, record.request_id)
        assert found == replace(record, state="interrupted", cost_micros=40, completion_tokens=8)
        assert await credit.balance(mine) == 960
        assert await requests.get(mine, own.request_id) == own
        # it was not dead after all: its own word counts, and only the difference is debited
        await dying.finish(replace(record, state="completed", cost_micros=100))
        assert await credit.balance(mine) == 900
    await dying.close()


async def test_a_process_on_another_host_is_dead_when_its_lease_has_run_out(database: Database, projects: Two) -> None:
    time = NOW
    elsewhere = Presence(database, clock=lambda: time, host="elsewhere")
    here = Presence(database, clock=lambda: time, host="here")
    remote, local = Ledger(database, elsewhere), Ledger(database, here)
    await remote.open()
    await local.open()
    await remote.start(record := request_of(projects.mine.id))
    assert await local.recover() == 0
    time += LEASE_SECONDS / 2
    await elsewhere.beat()
    time += LEASE_SECONDS / 2
    await here.beat()
    assert await local.recover() == 0
    time += LEASE_SECONDS / 2
    await here.beat()
    assert await local.recover() == 1
    found = await Requests(database).get(projects.mine.id, record.request_id)
    assert found is not None
    assert found.state == "interrupted"
    await remote.close()
    await local.close()


async def test_a_ledger_that_opens_settles_what_was_left(database: Database, projects: Two) -> None:
    gone = Ledger(database, Presence(database, process_id="proc_left", pid=os.getpid()))
    await gone.open()
    await gone.start(record := request_of(projects.mine.id))
    await gone.close()
    async with opened(database):
        found = await Requests(database).get(projects.mine.id, record.request_id)
        assert found is not None
        assert found.state == "interrupted"
