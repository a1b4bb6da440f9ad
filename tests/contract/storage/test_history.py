"""Requests read in pages while others are written, and their sums by the hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from storage.database import Database
from storage.ledger.tally import SUMS
from storage.ledger.writer import Ledger
from storage.ledger_record import Record
from storage.repositories.feedback import Feedback, Opinion
from storage.repositories.history import History, Which, place_of
from storage.tables.types import instant
from tests.contract.storage.conftest import Two
from tests.contract.storage.test_ledger import NOW, opened, request_of

HOUR = 3600.0


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    async with opened(database) as ready:
        yield ready


def asked(project_id: str, **fields: Any) -> Record:
    return request_of(project_id, **{"kind": "chat", "state": "completed"} | fields)


def drawn(project_id: str, random: Random) -> Record:
    """Of any kind, within five hours; its costs add up."""
    prompt, cached, completion = random.randint(0, 50), random.randint(0, 50), random.choice([0, 7, 900])
    costs = [random.choice([0, 3 * prompt]), random.choice([0, cached]), random.choice([0, completion])]
    return asked(
        project_id,
        started_at=NOW + random.random() * 5 * HOUR,
        kind=random.choice(["chat", "embedding", None]),
        api=random.choice(["ipop", "maniac"]),
        model=random.choice(["a", "b", None]),
        state=(state := random.choice(["completed", "failed", "interrupted"])),
        error_code="upstream_timeout" if state == "failed" else None,
        prompt_tokens=prompt + cached,
        cached_tokens=cached,
        completion_tokens=completion,
        cost_micros=sum(costs),
        prompt_cost_micros=costs[0],
        cached_cost_micros=costs[1],
        try_count=random.randint(0, 3),
        requeues=random.randint(0, 2),
        first_byte_us=random.choice([None, 5]),
        cache_hit=random.random() < 0.2,
    )


def figures(records: list[Record]) -> dict[str, int]:
    """What the sums must be, worked out by hand."""
    output = [(r, r.cost_micros - r.prompt_cost_micros - r.cached_cost_micros) for r in records]
    return {
        "requests": len(records),
        **{
            name: sum(getattr(r, name) for r in records)
            for name in (
                "prompt_tokens", "completion_tokens", "cached_tokens", "cost_micros", "prompt_cost_micros",
                "cached_cost_micros", "requeues",
            )
        },
        "free_prompt_tokens": sum(r.prompt_tokens - r.cached_tokens for r in records if not r.prompt_cost_micros),
        "free_cached_tokens": sum(r.cached_tokens for r in records if not r.cached_cost_micros),
        "free_completion_tokens": sum(r.completion_tokens for r, cost in output if not cost),
        "prompt_meters": sum(r.prompt_tokens > r.cached_tokens for r in records),
        "cached_meters": sum(r.cached_tokens > 0 for r in records),
        "completion_meters": sum(r.completion_tokens > 0 for r in records),
        "tries": sum(r.try_count for r in records),
        "first_bytes": sum(r.first_byte_us is not None and not r.cache_hit for r in records),
        "cache_hits": sum(r.cache_hit for r in records),
    }  # fmt: skip


async def test_the_sums_are_those_of_the_requests_in_every_window(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    random, history, mine = Random(3), History(database), projects.mine.id
    records = [drawn(mine, random) for _ in range(300)]
    await asyncio.gather(*map(ledger.finish, records), ledger.finish(drawn(projects.other.id, random)))
    await ledger.start(asked(mine, state="started", prompt_tokens=5))
    records = [record for record in records if record.kind]
    assert set(figures(records)) == set(SUMS)
    sums = await history.sums(Which(project_id=mine))
    assert sums[()] == figures(records)
    for _ in range(12):
        since, until = sorted(NOW + random.random() * 5 * HOUR for _ in range(2))
        which = Which(project_id=mine, since=instant(since), until=instant(until))
        inside = [r for r in records if since <= r.started_at < until]
        by_hour = await history.sums(which, "hour", "state", "error_code")
        assert sum(one["requests"] for one in by_hour.values()) == len(inside)
        assert {hour for hour, *_ in by_hour} == {int(r.started_at // HOUR * HOUR) for r in inside}
        assert (await history.sums(which)).get((), figures([])) == figures(inside)
        for narrow in (replace(which, model="a"), replace(which, api="ipop")):
            chosen = [r for r in inside if r.model == (narrow.model or r.model) and r.api == (narrow.api or r.api)]
            sums = await history.sums(narrow, "kind")
            assert sum(one["cost_micros"] for one in sums.values()) == sum(r.cost_micros for r in chosen)
        sums = await history.sums(replace(which, model="a", api="ipop"))
        assert sums.get((), figures([])) == figures([r for r in inside if (r.model, r.api) == ("a", "ipop")])


async def test_those_of_all_projects_are_counted_together(database: Database, ledger: Ledger, projects: Two) -> None:
    random, history, names = Random(17), History(database), ("state", "error_code")
    windows = [Which(), Which(since=instant(NOW + HOUR / 2), until=instant(NOW + 3.2 * HOUR))]
    before = [await history.sums(which, *names) for which in windows]
    records = [drawn(random.choice([projects.mine.id, projects.other.id]), random) for _ in range(100)]
    await asyncio.gather(*map(ledger.finish, records))
    for which, earlier in zip(windows, before, strict=True):
        for key, total in (await history.sums(which, *names)).items():
            counted = [
                r for r in records
                if r.kind and (r.state, r.error_code or "") == key
                and (which.since is None or which.since <= instant(r.started_at))
                and (which.until is None or instant(r.started_at) < which.until)
            ]  # fmt: skip
            known = earlier.get(key, {})
            assert {name: value - known.get(name, 0) for name, value in total.items()} == figures(counted)


async def test_only_the_sums_that_are_asked_for_are_read(database: Database, ledger: Ledger, projects: Two) -> None:
    await ledger.finish(asked(projects.mine.id, completion_tokens=5, model="m"))
    which = Which(project_id=projects.mine.id)
    assert await sums_of(database, which, "completion_tokens") == {"requests": 1, "completion_tokens": 5}
    assert await sums_of(database, which) == {"requests": 1}
    since = replace(which, since=instant(NOW - 60))
    assert await sums_of(database, since, "completion_tokens") == {"requests": 1, "completion_tokens": 5}


async def sums_of(database: Database, which: Which, *names: str) -> dict[str, int]:
    return (await History(database).sums(which, of=names))[()]


async def test_sums_that_nobody_keeps_are_not_made_up(database: Database) -> None:
    unkept = (
        Which(key_id="k"), Which(model="m"), Which(api="ipop"), Which(kinds=["chat"]),
        Which(project_id="p", model="m", state="failed"), Which(project_id="p", api="ipop", state="failed"),
    )  # fmt: skip
    for which in unkept:
        with pytest.raises(ValueError, match="not kept"):
            await History(database).sums(which)


async def test_a_request_is_counted_once_whatever_is_written_of_it(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    history, mine = History(database), projects.mine.id
    record = asked(mine, completion_tokens=5)
    await ledger.start(replace(record, state="started"))
    assert await history.sums(Which(project_id=mine)) == {}
    await ledger.finish(replace(record, state="interrupted", completion_tokens=2))
    await ledger.finish(replace(record, state="interrupted", completion_tokens=3))
    assert (await history.sums(Which(project_id=mine), "state"))[("interrupted",)]["completion_tokens"] == 2
    await ledger.finish(record)
    await ledger.finish(replace(record, completion_tokens=9))
    sums = await history.sums(Which(project_id=mine), "state")
    assert {state: one["completion_tokens"] for (state,), one in sums.items()} == {"completed": 5}


async def test_a_walk_meets_each_request_once_while_others_are_written(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    """Those written meanwhile began anywhere: before the first, between, and after the last."""
    random, history, mine = Random(5), History(database), projects.mine.id
    # many at one moment, so that the id has to decide
    there = [asked(mine, started_at=NOW + random.randint(0, 40)) for _ in range(400)]
    await asyncio.gather(*map(ledger.finish, there))
    late: list[Record] = []

    async def write() -> None:
        while True:
            late.append(asked(mine, started_at=NOW + random.randint(-5, 45)))
            await ledger.finish(late[-1])
            await asyncio.sleep(0.001)

    writer = asyncio.ensure_future(write())
    seen: list[Record] = []
    while page := await history.page(Which(project_id=mine), 17, place_of(seen[-1]) if seen else None):
        seen += page
    writer.cancel()
    ids = [record.request_id for record in seen]
    assert len(set(ids)) == len(ids)
    assert {record.request_id for record in there} <= set(ids)
    assert ids == [r.request_id for r in sorted(seen, key=lambda r: (r.started_at, r.request_id), reverse=True)]
    assert late
    # what came late and belongs below the place that was reached was met, too
    assert set(ids) - {record.request_id for record in there} <= {record.request_id for record in late}


@pytest.mark.parametrize(
    "which",
    [
        Which(api="maniac"),
        Which(model="b"),
        Which(state="failed"),
        Which(state="completed", model="a"),
        Which(state="failed", model="a"),
        Which(state="interrupted", model="a", api="ipop"),
        Which(model="b", api="maniac"),
        Which(kinds=("embedding",)),
        Which(since=instant(NOW + HOUR), until=instant(NOW + 2 * HOUR)),
        Which(finished=True),
    ],
)
async def test_filters_choose_what_they_name(database: Database, ledger: Ledger, projects: Two, which: Which) -> None:
    random, mine = Random(7), projects.mine.id
    records = [drawn(mine, random) for _ in range(60)]
    await asyncio.gather(*map(ledger.finish, records))
    which = replace(which, project_id=mine)
    wanted = {
        r.request_id
        for r in records
        if r.kind
        and all(getattr(which, name) in (None, getattr(r, name)) for name in ("api", "model", "state"))
        and (which.kinds is None or r.kind in which.kinds)
        and (which.since is None or which.since <= instant(r.started_at))
        and (which.until is None or instant(r.started_at) < which.until)
    }
    assert {record.request_id for record in await History(database).page(which, 100)} == wanted
    assert wanted


async def test_all_projects_are_read_together_or_one_alone(database: Database, ledger: Ledger, projects: Two) -> None:
    history = History(database)
    records = [asked(one.id, key_id=f"key_{one.id}") for one in (projects.mine, projects.other)]
    await asyncio.gather(*map(ledger.finish, records))
    everyone = {record.request_id for record in await history.page(Which(), 10_000)}
    assert {record.request_id for record in records} <= everyone
    for record in records:
        for which in (Which(project_id=record.project_id), Which(key_id=record.key_id)):
            assert [one.request_id for one in await history.page(which, 10)] == [record.request_id]
    mine, other = records
    assert await history.get(other.request_id, mine.project_id) is None
    assert await history.place(other.request_id, mine.project_id) is None
    assert await history.get(other.request_id) == other


async def test_a_request_that_asks_no_model_is_in_no_history(database: Database, ledger: Ledger, projects: Two) -> None:
    await ledger.finish(record := asked(projects.mine.id, kind=None))
    assert await History(database).page(Which(project_id=projects.mine.id), 10) == []
    assert await History(database).get(record.request_id) is None


async def test_how_it_was_answered_is_kept(database: Database, ledger: Ledger, projects: Two) -> None:
    tries = [{"vendor": "openai", "model": "m", "at_us": 3, "took_us": 5, "fate": "failed", "error": "TimedOut"}]
    record = asked(projects.mine.id, tries=tries, region="here", fallbacks=2, cache_hit=True, replay_of="req_old")
    await ledger.finish(record)
    assert await History(database).get(record.request_id) == record


async def test_feedback_is_kept_newest_first_and_counted_in_its_window(database: Database, projects: Two) -> None:
    feedback, now = Feedback(database), datetime.now(UTC)
    opinions = [
        Opinion(
            request_id=f"req_{projects.mine.slug}", project_id=projects.mine.id, key_id=None, model="m",
            created_at=now + timedelta(seconds=number), rating=number - 1,
        )
        for number in range(3)
    ]  # fmt: skip
    for opinion in opinions:
        await feedback.insert(opinion)
    assert await feedback.list(opinions[0].request_id, 2) == opinions[:0:-1]
    assert await feedback.list("req_of_nobody", 10) == []
    assert await feedback.count(now + timedelta(seconds=2)) == 1
