"""Jobs are done, step by step, told of, cancelled, retried and resumed."""

from __future__ import annotations

import asyncio
from typing import Any

from handlers.core.errors import Invalid, UpstreamFailed
from handlers.core.jobs import Run, StepFailed
from tests.contract.jobs.conftest import PATIENCE_SECONDS, Bench, defined


@defined("count")
async def counting(run: Run) -> int:
    total = 0
    for number in range(run.input["upto"]):
        total += await run.step("add", lambda number=number: given(number))
        await run.emit("added", {"number": number})
    await run.progress(0.5, "nearly")
    return total


async def given(value: Any) -> Any:
    return value


async def test_a_job_is_done_and_tells_of_it(bench: Bench) -> None:
    job = await bench.enqueue("count", {"upto": 4})
    assert (job.state, job.progress) == ("queued", 0.0)
    async with bench.worker(counting):
        told = [event async for event in bench.jobs.follow(bench.project_id, job.id)]
    done = await bench.ended(job)
    assert (done.state, done.result, done.progress, done.note) == ("succeeded", 6, 1.0, "nearly")
    assert [(event.sequence, event.kind, event.data) for event in told] == [
        (number + 1, "added", {"number": number}) for number in range(4)
    ]
    assert [event.sequence for event in await bench.jobs.events(bench.project_id, job.id, after=2)] == [3, 4]


async def test_a_stopped_worker_hands_back_what_it_has_begun(bench: Bench) -> None:
    done, at_second = list[str](), asyncio.Event()

    @defined("two")
    async def two(run: Run) -> list[int]:
        async def first() -> int:
            done.append("first")
            await run.emit("told", "first")
            return len(done)

        async def second() -> int:
            done.append("second")
            await run.emit("told", "second", "more" if len(done) > 2 else "less")
            at_second.set()
            if len(done) == 2:
                await asyncio.Event().wait()
            return len(done)

        await run.emit("began", None)
        return [await run.step("first", first), await run.step("second", second)]

    job = await bench.enqueue("two")
    async with bench.worker(two):
        await at_second.wait()
    left = await bench.jobs.get(bench.project_id, job.id)
    assert (left.state, left.process_id, left.crashes) == ("running", None, 0)
    async with bench.worker(two):
        ended = await bench.ended(job)
    assert (ended.state, ended.result) == ("succeeded", [1, 3])
    assert done == ["first", "second", "second"]
    events = await bench.jobs.events(bench.project_id, job.id)
    assert [(event.sequence, event.data) for event in events] == [(1, None), (2, "first"), (3, "second"), (4, "less")]


async def test_a_step_knows_what_it_told_before(bench: Bench) -> None:
    tries = 0

    @defined("pieces")
    async def pieces(run: Run) -> int:
        async def told() -> int:
            nonlocal tries
            tries += 1
            before = [event.data for event in await run.told_before()]
            await run.emit("piece", f"{tries}a", f"{tries}b")
            if tries == 1:
                raise UpstreamFailed("broke off")
            return len(before)

        return int(await run.step("tell", told))

    job = await bench.enqueue("pieces")
    async with bench.worker(pieces):
        assert (await bench.ended(job)).result == 2
    events = await bench.jobs.events(bench.project_id, job.id)
    assert [event.data for event in events] == ["1a", "1b", "2a", "2b"]


async def test_what_retrying_may_mend_is_tried_so_often_and_then_fails(bench: Bench) -> None:
    tries = {"mended": 0, "hopeless": 0, "refused": 0}

    @defined("fragile")
    async def fragile(run: Run) -> str:
        async def ask() -> str:
            tries[run.input] += 1
            if run.input == "refused":
                raise Invalid("no", code="bad_thing")
            if run.input == "mended" and tries["mended"] == 3:
                return "at last"
            raise UpstreamFailed("away", code="vendor_away")

        return str(await run.step("ask", ask))

    jobs = {how: await bench.enqueue("fragile", how) for how in tries}
    async with bench.worker(fragile):
        ended = {how: await bench.ended(job) for how, job in jobs.items()}
    assert tries == {"mended": 3, "hopeless": 3, "refused": 1}
    assert ended["mended"].result == "at last"
    assert {how: (job.state, job.error_code) for how, job in ended.items()} == {
        "mended": ("succeeded", None),
        "hopeless": ("failed", "vendor_away"),
        "refused": ("failed", "bad_thing"),
    }


async def test_a_step_that_failed_can_be_gone_around(bench: Bench) -> None:
    @defined("around")
    async def around(run: Run) -> str:
        async def refuse() -> str:
            raise Invalid("no", code="bad_thing")

        try:
            return str(await run.step("refuse", refuse))
        except StepFailed as failure:
            met = f"{failure.code} {failure.status}"
        return str(await run.step("instead", lambda: given(met)))

    job = await bench.enqueue("around")
    async with bench.worker(around):
        assert (await bench.ended(job)).result == "bad_thing 400"


async def test_a_fault_of_ours_fails_the_job_and_says_nothing_of_it(bench: Bench) -> None:
    @defined("faulty")
    async def faulty(run: Run) -> object:
        return await run.step("divide", lambda: given(1 // run.input)) if run.input < 2 else object()

    jobs = [await bench.enqueue("faulty", number) for number in (0, 2)]
    async with bench.worker(faulty):
        ended = [await bench.ended(job) for job in jobs]
    assert [(job.state, job.error_code, job.error_message) for job in ended] == [
        ("failed", "internal_error", "the job met a fault of the server")
    ] * 2


async def test_a_running_job_is_cancelled_in_the_middle_of_a_step(bench: Bench) -> None:
    begun, unwound = asyncio.Event(), asyncio.Event()

    @defined("endless")
    async def endless(run: Run) -> None:
        async def wait() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                unwound.set()

        await run.step("wait", wait)

    job = await bench.enqueue("endless")
    async with bench.worker(endless):
        await begun.wait()
        assert (await bench.jobs.cancel(bench.project_id, job.id)).state == "running"
        assert (await bench.ended(job)).state == "cancelled"
    assert unwound.is_set()
    assert (await bench.jobs.cancel(bench.project_id, job.id)).state == "cancelled"


async def test_no_more_jobs_run_at_once_than_are_allowed(bench: Bench) -> None:
    at_once, most, full, gate = 0, 0, asyncio.Event(), asyncio.Event()

    @defined("crowd")
    async def crowd(run: Run) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == 3:
            full.set()
        await gate.wait()
        at_once -= 1

    jobs = [await bench.enqueue("crowd") for _ in range(12)]
    async with bench.worker(crowd, max_jobs=3):
        await asyncio.wait_for(full.wait(), PATIENCE_SECONDS)
        await bench.looked()
        taken = await bench.jobs.list(bench.project_id, states=("running",))
        assert (len(taken), at_once) == (3, 3)
        gate.set()
        assert {(await bench.ended(job)).state for job in jobs} == {"succeeded"}
    assert most == 3
