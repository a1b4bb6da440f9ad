"""Jobs, their events and schedules as they are kept, on both databases."""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from datetime import timedelta

import pytest

from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.jobs import Job, Jobs
from storage.database import Database
from storage.presence import Presence
from storage.repositories import jobs as rows
from storage.repositories.job_events import JobEvents, Told
from storage.repositories.job_schedules import JobSchedules
from storage.repositories.jobs import Ending
from storage.tables.types import instant
from tests.contract.storage.conftest import Two
from tests.unit.core.conftest import Clock

AWKWARD = {"text": "a\x00b \U0001f642", "number": 1e300, "list": [None, True, 2**60]}


@pytest.fixture
def clock() -> Clock:
    return Clock(time.time())


@pytest.fixture
def jobs(database: Database, clock: Clock) -> Jobs:
    numbers = itertools.count()
    return Jobs(database, clock, lambda noun: f"{noun}-{uuid.uuid4().hex}-{next(numbers)}")


@pytest.fixture
async def presence(database: Database) -> Presence:
    made = Presence(database)
    await made.beat()
    return made


@pytest.fixture
def kind() -> str:
    """One that no other test claims."""
    return f"kind-{uuid.uuid4().hex}"


async def test_a_job_is_seen_by_its_own_project_alone(jobs: Jobs, projects: Two, kind: str) -> None:
    job = await jobs.enqueue(kind, AWKWARD, projects.mine.id)
    assert await jobs.get(projects.mine.id, job.id) == job
    assert [found.id for found in await jobs.list(projects.mine.id)] == [job.id]
    assert await jobs.list(projects.other.id) == []
    for stranger in (projects.other.id, None):
        with pytest.raises(NotFound):
            await jobs.get(stranger, job.id)
        with pytest.raises(NotFound):
            await jobs.cancel(stranger, job.id)
    assert (await jobs.get(projects.mine.id, job.id)).state == "queued"


async def test_one_id_is_one_job(jobs: Jobs, projects: Two, kind: str) -> None:
    job = await jobs.enqueue(kind, 1, projects.mine.id, job_id=f"resp-{kind}")
    again = await jobs.enqueue(kind, 2, projects.mine.id, job_id=job.id)
    assert again == job
    with pytest.raises(Conflict):
        await jobs.enqueue(kind, 2, projects.other.id, job_id=job.id)


async def test_a_job_is_there_when_what_it_is_part_of_commits(
    jobs: Jobs, database: Database, projects: Two, kind: str
) -> None:
    async def break_off() -> None:
        async with database.writing() as tx:
            await jobs.enqueue(kind, None, projects.mine.id, tx=tx)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await break_off()
    assert await jobs.list(projects.mine.id) == []
    async with database.writing() as tx:
        job = await jobs.enqueue(kind, None, projects.mine.id, tx=tx)
    assert await jobs.list(projects.mine.id) == [job]


async def test_pages_of_jobs_follow_each_other(jobs: Jobs, projects: Two, kind: str, clock: Clock) -> None:
    made = []
    for _ in range(5):
        made.append((await jobs.enqueue(kind, None, projects.mine.id)).id)
        clock.now += 1
    await jobs.cancel(projects.mine.id, made[0])
    first = [job.id for job in await jobs.list(projects.mine.id, limit=2)]
    rest = [job.id for job in await jobs.list(projects.mine.id, after=first[-1])]
    assert first + rest == made[::-1]
    assert [job.id for job in await jobs.list(projects.mine.id, states=("cancelled",))] == [made[0]]
    assert await jobs.list(projects.mine.id, kind="another") == []


async def test_each_job_is_claimed_once(jobs: Jobs, presence: Presence, projects: Two, kind: str) -> None:
    ids = {(await jobs.enqueue(kind, None, projects.mine.id)).id for _ in range(20)}
    repository, now = rows.Jobs(jobs.database), instant(jobs.clock())
    claims = await asyncio.gather(*(repository.claim(presence.process_id, [kind], 5, now) for _ in range(8)))
    claimed = [job.id for claim in claims for job in claim]
    assert len(claimed) == len(set(claimed))
    claimed += [job.id for job in await repository.claim(presence.process_id, [kind], 20, now)]
    assert (sorted(claimed), len(claimed)) == (sorted(ids), 20)


async def running(jobs: Jobs, presence: Presence, project_id: str, kind: str) -> Job:
    await jobs.enqueue(kind, None, project_id)
    (job,) = await rows.Jobs(jobs.database).claim(presence.process_id, [kind], 1, instant(jobs.clock()))
    return job


async def test_a_dead_process_loses_its_jobs_and_can_say_nothing_more_of_them(
    jobs: Jobs, presence: Presence, projects: Two, kind: str
) -> None:
    repository, events = rows.Jobs(jobs.database), JobEvents(jobs.database)
    job, heir = await running(jobs, presence, projects.mine.id, kind), Presence(jobs.database)
    await heir.beat()
    assert await repository.adopt(heir.process_id, [kind], 5) == []
    await presence.leave()
    (adopted,) = await repository.adopt(heir.process_id, [kind], 5)
    assert (adopted.id, adopted.process_id, adopted.crashes) == (job.id, heir.process_id, 1)
    told = [Told("b.0", instant(jobs.clock()), "told", AWKWARD)]
    assert not await repository.report(job, 0.5, None)
    assert not await events.append(job, told)
    assert not await repository.finish(job, Ending("succeeded", instant(jobs.clock())))
    assert await events.append(adopted, told)
    assert await repository.report(adopted, 0.5, "half")
    assert (await jobs.get(projects.mine.id, job.id)).crashes == 0
    assert await repository.finish(adopted, Ending("succeeded", instant(jobs.clock()), AWKWARD))
    assert (await jobs.get(projects.mine.id, job.id)).result == AWKWARD


async def test_an_event_that_is_told_again_is_the_same_event(
    jobs: Jobs, presence: Presence, projects: Two, kind: str
) -> None:
    job, events = await running(jobs, presence, projects.mine.id, kind), JobEvents(jobs.database)
    at = instant(jobs.clock())
    await events.append(job, [Told("s1.0", at, "a", 1), Told("s1.1", at, "a", 2)])
    await events.append(job, [Told("s1.0", at, "a", 9), Told("s1.1", at, "a", 9), Told("s1.2", at, "a", 3)])
    await asyncio.gather(*(events.append(job, [Told(f"s2.{n}", at, "b", n)]) for n in range(5)))
    found = await jobs.events(projects.mine.id, job.id)
    assert [event.sequence for event in found] == list(range(1, 9))
    assert [event.data for event in found if event.kind == "a"] == [1, 2, 3]
    assert await jobs.events(projects.other.id, job.id) == []
    assert [event.data for event in await events.told_at(job.id, "s1")] == [1, 2, 3]


async def test_old_jobs_are_forgotten_with_their_events(
    jobs: Jobs, presence: Presence, projects: Two, kind: str
) -> None:
    repository, events = rows.Jobs(jobs.database), JobEvents(jobs.database)
    job, at = await running(jobs, presence, projects.mine.id, kind), instant(jobs.clock())
    await events.append(job, [Told("b.0", at, "a", 1)])
    await repository.finish(job, Ending("succeeded", at - timedelta(days=9000)))
    assert await repository.purge(at - timedelta(days=8000), 10) == 1
    assert await repository.find(job.id) is None
    assert await jobs.events(projects.mine.id, job.id) == []


async def test_a_schedule_makes_a_job_once_for_all_processes_and_once_for_all_it_missed(
    jobs: Jobs, projects: Two, kind: str, clock: Clock
) -> None:
    await jobs.schedule(kind, {"a": 1}, projects.mine.id, cron="*/10 * * * *", schedule_id=kind)
    await jobs.enqueue_due()
    assert await jobs.list(projects.mine.id) == []
    clock.now += 3600
    await asyncio.gather(*(jobs.enqueue_due() for _ in range(4)))
    (job,) = await jobs.list(projects.mine.id)
    assert (job.kind, job.input, job.state) == (kind, {"a": 1}, "queued")
    (schedule,) = await JobSchedules(jobs.database).list(projects.mine.id)
    assert 0 < schedule.next_at.timestamp() - clock.now <= 600


async def test_a_schedule_that_is_put_again_keeps_its_time(jobs: Jobs, projects: Two, kind: str, clock: Clock) -> None:
    times = []
    for cron in ("0 0 1 1 *", "0 0 1 1 *", "0 0 2 1 *"):
        await jobs.schedule(kind, None, projects.mine.id, cron=cron, schedule_id=kind)
        times += [schedule.next_at for schedule in await JobSchedules(jobs.database).list(projects.mine.id)]
    assert times[0] == times[1] != times[2]


async def test_a_schedule_belongs_to_its_project(jobs: Jobs, projects: Two, kind: str, clock: Clock) -> None:
    await jobs.schedule(kind, None, projects.mine.id, cron="* * * * *", schedule_id=kind)
    with pytest.raises(NotFound):
        await jobs.unschedule(projects.other.id, kind)
    await jobs.unschedule(projects.mine.id, kind)
    clock.now += 120
    await jobs.enqueue_due()
    assert await jobs.list(projects.mine.id, kind=kind) == []


@pytest.mark.parametrize("cron", ["", "every day", "61 * * * *", "0 0 31 2 *"])
async def test_what_names_no_time_is_refused(jobs: Jobs, projects: Two, cron: str) -> None:
    with pytest.raises(Invalid) as refused:
        await jobs.schedule("kind", None, projects.mine.id, cron=cron, schedule_id="never")
    assert refused.value.code == "invalid_cron"


async def test_a_deleted_project_takes_its_jobs_with_it(
    database: Database, jobs: Jobs, projects: Two, presence: Presence, kind: str, clock: Clock
) -> None:
    """One that runs is marked, for whoever runs it."""
    repository, now = rows.Jobs(database), instant(clock())
    runs = await jobs.enqueue(kind, None, projects.mine.id)
    await repository.claim(presence.process_id, {kind}, 1, now)
    waits = await jobs.enqueue(kind, None, projects.mine.id)
    stays = await jobs.enqueue(kind, None, projects.other.id)
    async with database.writing() as tx:
        await repository.abandon(tx, projects.mine.id, now)
    assert [job.id for job in await jobs.list(projects.mine.id)] == [runs.id]
    assert await repository.find(waits.id) is None
    assert await repository.held(presence.process_id) == {runs.id: True}
    assert await jobs.get(projects.other.id, stays.id) == stays


async def test_a_job_is_deleted_by_its_own_project_alone_and_nothing_is_left(
    database: Database, jobs: Jobs, projects: Two, presence: Presence, kind: str, clock: Clock
) -> None:
    job = await jobs.enqueue(kind, None, projects.mine.id)
    (claimed,) = await rows.Jobs(database).claim(presence.process_id, {kind}, 1, instant(clock()))
    await JobEvents(database).append(claimed, [Told("b.0", instant(clock()), "told", 1)])
    await jobs.delete(projects.other.id, job.id)
    assert len(await jobs.events(projects.mine.id, job.id)) == 1
    await jobs.delete(projects.mine.id, job.id)
    assert await rows.Jobs(database).find(job.id) is None
    assert await jobs.events(projects.mine.id, job.id) == []


async def test_a_job_of_an_unknown_kind_is_not_taken_over(
    database: Database, jobs: Jobs, projects: Two, presence: Presence, kind: str, clock: Clock
) -> None:
    job = await jobs.enqueue(kind, None, projects.mine.id)
    await rows.Jobs(database).claim(presence.process_id, {kind}, 1, instant(clock()))
    assert await rows.Jobs(database).take_over("proc_old", job.id, {"other"}) is None
    taken = await rows.Jobs(database).take_over("proc_new", job.id, {kind})
    assert taken is not None
    assert taken.process_id == "proc_new"
