"""Stored responses: kept whole, chained, paged, and each project's own."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage.database import Database
from storage.ledger.writer import Ledger
from storage.ledger_record import Record
from storage.presence import Presence
from storage.repositories.responses import Page, Responses, StoredResponse
from tests.contract.storage.conftest import Two

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def response_of(project_id: str, second: int = 0, previous: str | None = None, **content: object) -> StoredResponse:
    return StoredResponse(
        id=f"resp_{uuid.uuid4().hex}",
        project_id=project_id,
        created_at=NOW + timedelta(seconds=second),
        status="completed",
        model="a/b",
        previous_response_id=previous,
        request_id=f"req_{uuid.uuid4().hex}",
        content=dict(content),
    )


async def insert(responses: Responses, *stored: StoredResponse) -> None:
    for response in stored:
        await responses.insert(response)


async def test_a_response_is_seen_by_its_own_project_alone(database: Database, projects: Two) -> None:
    responses = Responses(database)
    response = response_of(projects.mine.id, text="NUL \0, ünïcode", number=2**60)
    await responses.insert(response)
    assert await responses.get(projects.mine.id, response.id) == response
    assert await responses.status(projects.mine.id, response.id) == "completed"
    assert await responses.chain(projects.mine.id, response.id) == [response]
    for look in (responses.get, responses.status):
        assert await look(projects.other.id, response.id) is None
    assert await responses.made_by(projects.mine.id, response.request_id) == response
    assert await responses.made_by(projects.other.id, response.request_id) is None
    assert await responses.made_by(projects.mine.id, response.id) is None
    assert await responses.chain(projects.other.id, response.id) == []
    assert await responses.list(projects.other.id, Page()) == []
    assert await responses.list(projects.other.id, Page(after=response.id)) is None
    assert await responses.finish(replace(response, project_id=projects.other.id)) is None
    assert not await responses.delete(projects.other.id, response.id)
    assert await responses.delete(projects.mine.id, response.id)
    assert await responses.get(projects.mine.id, response.id) is None
    assert not await responses.delete(projects.mine.id, response.id)


async def test_an_id_with_a_nul_is_nobodys(database: Database, projects: Two) -> None:
    responses, mine = Responses(database), projects.mine.id
    assert await responses.get(mine, "resp_\0") is None
    assert await responses.chain(mine, "resp_\0") == []
    assert await responses.list(mine, Page(after="resp_\0")) is None
    assert not await responses.delete(mine, "resp_\0")


async def test_a_running_response_ends_once(database: Database, projects: Two) -> None:
    responses, mine = Responses(database), projects.mine.id
    running = replace(response_of(mine), status="in_progress")
    await responses.insert(running)
    done = replace(running, status="completed", content={"said": "hello"})
    assert await responses.finish(done) == "completed"
    assert await responses.get(mine, running.id) == done
    assert not await responses.cancel(mine, running.id)


async def test_a_cancelled_response_stays_cancelled_and_keeps_what_was_said(database: Database, projects: Two) -> None:
    responses, mine = Responses(database), projects.mine.id
    running = replace(response_of(mine), status="in_progress")
    await responses.insert(running)
    assert not await responses.cancel(projects.other.id, running.id)
    assert await responses.cancel(mine, running.id)
    assert await responses.finish(replace(running, status="completed", content={"said": "hel"})) == "cancelled"
    assert await responses.get(mine, running.id) == replace(running, status="cancelled", content={"said": "hel"})


async def test_a_response_that_was_deleted_while_it_ran_stays_deleted(database: Database, projects: Two) -> None:
    responses, running = Responses(database), replace(response_of(projects.mine.id), status="in_progress")
    await responses.insert(running)
    await responses.delete(running.project_id, running.id)
    assert await responses.finish(replace(running, status="completed")) is None
    assert await responses.get(running.project_id, running.id) is None


async def test_what_ran_in_a_process_that_died_is_incomplete(database: Database, projects: Two) -> None:
    responses, running = Responses(database), replace(response_of(projects.mine.id), status="in_progress")
    await responses.insert(running)
    ledger = Ledger(database, Presence(database))
    await ledger.open()
    record = Record(running.request_id, "ipop", "responses_create", 1_790_000_000.0, running.project_id)
    await ledger.start(record)
    assert await responses.get(running.project_id, running.id) == running
    record.state = "interrupted"
    await ledger.finish(record)
    await ledger.close()
    ended = replace(running, status="incomplete")
    assert await responses.get(running.project_id, running.id) == ended
    assert await responses.list(running.project_id, Page()) == [ended]


async def test_a_chain_is_read_oldest_first_and_ends_at_a_deleted_link(database: Database, projects: Two) -> None:
    responses, mine = Responses(database), projects.mine.id
    first = response_of(mine)
    second = response_of(mine, 1, first.id)
    third = response_of(mine, 2, second.id)
    fork = response_of(mine, 3, first.id)
    await insert(responses, first, second, third, fork)
    assert await responses.chain(mine, third.id) == [first, second, third]
    assert await responses.chain(mine, fork.id) == [first, fork]
    await responses.delete(mine, first.id)
    assert await responses.chain(mine, third.id) == [second, third]


async def test_a_chain_never_leads_into_another_project(database: Database, projects: Two) -> None:
    responses = Responses(database)
    theirs = response_of(projects.other.id)
    mine = response_of(projects.mine.id, 1, theirs.id)
    await insert(responses, theirs, mine)
    assert await responses.chain(projects.mine.id, mine.id) == [mine]


async def test_lists_are_paged_in_both_orders(database: Database, projects: Two) -> None:
    responses, mine = Responses(database), projects.mine.id
    made = [response_of(mine, second // 2) for second in range(5)]
    await insert(responses, *made)
    newest_first = await responses.list(mine, Page())
    assert newest_first is not None
    assert [r.created_at for r in newest_first] == sorted((r.created_at for r in made), reverse=True)
    assert await responses.list(mine, Page(newest_first=False)) == newest_first[::-1]
    assert await responses.list(mine, Page(limit=2, after=newest_first[1].id)) == newest_first[2:4]
    oldest_first = newest_first[::-1]
    assert await responses.list(mine, Page(limit=3, after=oldest_first[2].id, newest_first=False)) == oldest_first[3:]
    assert await responses.list(mine, Page(limit=0)) == []


async def test_a_list_can_be_of_one_model(database: Database, projects: Two) -> None:
    responses, mine = Responses(database), projects.mine.id
    wanted = replace(response_of(mine), model="c")
    await insert(responses, response_of(mine), wanted)
    assert await responses.list(mine, Page(model="c")) == [wanted]
    assert await responses.list(mine, Page(model="a")) == []
