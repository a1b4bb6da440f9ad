"""What is put into stores without a file, what is asked of Boxes, and which workers are there, on both databases."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from storage.database import Database
from storage.repositories.box import KEPT, BoxQueries, BoxQuery, BoxTotals
from storage.repositories.jobs import Job, Jobs, JobState
from storage.repositories.store_documents import StoreDocument, StoreDocuments
from storage.repositories.workers import Workers
from tests.contract.storage.conftest import Two

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def document(number: int, project_id: str, name: str | None = None) -> StoreDocument:
    return StoreDocument(number, project_id, "store", NOW, name, expires_at=LATER)


async def test_a_document_is_found_by_its_name_once_it_is_live(database: Database, projects: Two) -> None:
    documents, mine = StoreDocuments(database), projects.mine.id
    number = uuid.uuid4().int % 2**40
    async with database.writing() as tx:
        await documents.insert(tx, document(number, mine, "guide"))
        assert await documents.named(tx, mine, "store", "guide") == []
        assert await documents.publish(tx, number, 7, None)
        (found,) = await documents.named(tx, mine, "store", "guide")
        assert (found.usage_bytes, found.is_live, found.expires_at) == (7, True, None)
        assert await documents.named(tx, projects.other.id, "store", "guide") == []
        assert await documents.delete(tx, number)
        assert not await documents.publish(tx, number, 7, None)


async def test_what_is_over_is_told_of_and_what_lasts_is_not(database: Database, projects: Two) -> None:
    documents, mine = StoreDocuments(database), projects.mine.id
    first = uuid.uuid4().int % 2**40
    async with database.writing() as tx:
        for number in (first, first + 1):
            await documents.insert(tx, document(number, mine))
        await documents.publish(tx, first + 1, 0, None)
    mine_over = [one.document_no for one in await documents.over(LATER, 1000) if one.project_id == mine]
    assert mine_over == [first]
    assert [one for one in await documents.over(NOW, 1000) if one.project_id == mine] == []


async def test_queries_are_counted_and_the_last_of_them_kept(database: Database, projects: Two) -> None:
    queries, mine = BoxQueries(database), projects.mine.id
    for number in range(KEPT + 2):
        await queries.add(BoxQuery(mine, f"q{number}", NOW, "Why?", "So.", "model", 10, 3, [["chunk-1-0", 0.5]]))
    recent = await queries.recent(mine, KEPT + 10)
    assert [recent[0].id, recent[-1].id, len(recent)] == [f"q{KEPT + 1}", "q2", KEPT]
    assert recent[0].retrieved == [["chunk-1-0", 0.5]]
    assert await queries.totals(mine) == BoxTotals(KEPT + 2, 10 * (KEPT + 2), 3 * (KEPT + 2))
    assert (await queries.recent(projects.other.id, 10), await queries.totals(projects.other.id)) == ([], BoxTotals())


async def test_workers_are_seen_until_they_leave_or_are_forgotten(database: Database, projects: Two) -> None:
    workers, names = Workers(database), [uuid.uuid4().hex for _ in range(2)]
    for name, at in zip(names, (NOW, LATER), strict=True):
        await workers.beat(name, at, {"pdftotext": {"available": False}}, NOW)
    seen = {one.id: one for one in await workers.list("some_kind") if one.id in names}
    assert [seen[name].beat_at for name in names] == [NOW, LATER]
    assert (seen[names[0]].tools, seen[names[0]].job_id) == ({"pdftotext": {"available": False}}, None)
    await workers.beat(names[1], LATER, {}, LATER)
    await workers.leave(names[1])
    assert [one for one in await workers.list("some_kind") if one.id in names] == []


async def test_unfinished_jobs_are_told_apart_by_who_holds_them(database: Database, projects: Two) -> None:
    workers, jobs, kind = Workers(database), Jobs(database), f"kind-{uuid.uuid4().hex}"
    async with database.writing() as tx:
        states: list[JobState] = ["queued", "queued", "running"]
        for number, state in enumerate(states):
            at = NOW + timedelta(minutes=number)
            name = None if state == "queued" else "a process that is gone"
            job = Job(f"{kind}-{number}", projects.mine.id, kind, None, at, state, process_id=name)
            await jobs.insert(tx, job)
    standings = await workers.standings(kind)
    assert (standings["queued"].jobs, standings["queued"].oldest_at) == (2, NOW)
    assert (standings["stale"].jobs, sorted(standings)) == (1, ["queued", "stale"])
    async with database.writing() as tx:
        await jobs.abandon(tx, projects.mine.id, NOW)
