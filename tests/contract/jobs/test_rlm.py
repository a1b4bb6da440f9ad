"""Runs of recursive language models in the background, over both databases."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from handlers.core import rlm
from handlers.core.call import Call
from handlers.core.errors import NotFound
from handlers.core.jobs import Definitions
from handlers.core.rlm import Outcome
from providers.errors import Refused, Unavailable
from providers.inference.interface import ChatRequest
from server.worker import Worker
from tests.contract.jobs.conftest import PATIENCE_SECONDS, QUICK, Bench
from tests.unit.core.scripted import (
    COST,
    Script,
    ask_for,
    block,
    bounds,
    call_of,
    in_turn,
    is_root,
    records_of,
    root_and_leaves,
)

TEXT = "alpha beta gamma"


def new_id(noun: str) -> str:
    return f"{noun}-{os.urandom(12).hex()}"


def caller_of(bench: Bench, script: Script) -> Call:
    call = call_of(script, jobs=bench.jobs, clock=bench.jobs.clock, new_id=new_id)
    assert call.who is not None
    return replace(call, who=replace(call.who, project_id=bench.project_id))


@asynccontextmanager
async def worker(call: Call) -> AsyncIterator[None]:
    quick = replace(rlm.DEFINITION, tries=2, backoff_seconds=0.01)
    worker = Worker(call.services, Definitions([quick]), 4, QUICK)
    running = asyncio.ensure_future(worker.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
        await worker.close()
        await call.services.sandbox.close()


async def begin(call: Call, **changes: Any) -> Outcome:
    return (await rlm.create(ask_for(TEXT, background=True, metadata={"a": "b"}, **changes), call)).outcome


async def ended(bench: Bench, begun: Outcome, call: Call) -> Outcome:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await bench.jobs.wait(bench.project_id, begun.id)
    return await rlm.retrieve(begun.id, call)


async def test_a_run_in_the_background_is_read_when_it_is_done(bench: Bench) -> None:
    script = Script("openai", says=root_and_leaves(lambda request: "leaf", block("FINAL(llm_query('a'))")))
    call = caller_of(bench, script)
    begun = await begin(call)
    assert (begun.status, begun.model, begun.totals) == ("in_progress", "openai/gpt-5.5", None)
    assert await rlm.retrieve(begun.id, call) == begun
    async with worker(call):
        done = await ended(bench, begun, call)
    assert (done.status, done.text, done.metadata, done.created_at) == (
        "completed",
        "leaf",
        {"a": "b"},
        begun.created_at,
    )
    assert done.totals is not None
    assert (done.totals.calls, done.totals.cost_micros) == (2, 2 * COST)
    assert [record.cost_micros for record in records_of(call)] == [COST, COST]
    assert call.record.cost_micros == 0


async def test_nobody_else_sees_it(bench: Bench) -> None:
    call = caller_of(bench, Script("openai"))
    begun = await begin(call)
    assert call.who is not None
    stranger = replace(call, who=replace(call.who, project_id="another"))
    other = await bench.enqueue("maintenance")
    for response_id, who in ((begun.id, stranger), (other.id, call), ("resp_none", call), ("\0", call)):
        with pytest.raises(NotFound) as missing:
            await rlm.retrieve(response_id, who)
        assert missing.value.code == "response_not_found"
    for job_id in (begun.id, other.id):
        await bench.jobs.cancel(bench.project_id, job_id)


async def test_a_stopped_run_goes_on_and_asks_nothing_twice(bench: Bench) -> None:
    held, steps = (
        asyncio.Event(),
        [block("parts = llm_query_batched(['a', 'b'])"), block("FINAL(parts + [llm_query('c')])")],
    )
    asked_again = False

    async def leaf(request: ChatRequest) -> str:
        prompt = request.messages[0]["content"]
        if prompt == "c" and not asked_again:
            held.set()
            await asyncio.Event().wait()
        return str(prompt).upper()

    script = Script("openai", says=lambda request: steps.pop(0) if is_root(request) else leaf(request))
    call = caller_of(bench, script)
    begun = await begin(call)
    async with worker(call):
        await asyncio.wait_for(held.wait(), PATIENCE_SECONDS)
    assert (await rlm.retrieve(begun.id, call)).status == "in_progress"
    asked_again = True
    async with worker(call):
        done = await ended(bench, begun, call)
    assert done.text == '["A","B","C"]'
    assert sorted(prompt for prompt in script.prompts if len(prompt) == 1) == ["a", "b", "c", "c"]
    assert sum(is_root(request) for request in script.asked if isinstance(request, ChatRequest)) == 2
    assert done.totals is not None
    assert (done.totals.calls, done.totals.cost_micros) == (5, 5 * COST)
    billed = {record.request_id: record for record in records_of(call) if record.state == "completed"}
    assert sum(record.cost_micros for record in billed.values()) == 5 * COST


async def test_what_may_pass_is_tried_again_and_what_may_not_fails_the_run(bench: Bench) -> None:
    passing = Script("openai", says=in_turn(*[Unavailable("away")] * 3, "FINAL(at last)"))
    refused = Script("openai", says=in_turn(Refused("not that")))
    hopeless = Script("openai", says=in_turn(block("1"), *[Unavailable("away")] * 20))
    outcomes = []
    for script in (passing, refused, hopeless):
        call = caller_of(bench, script)
        begun = await begin(call)
        async with worker(call):
            outcomes.append(await ended(bench, begun, call))
    assert outcomes[0].text == "at last"
    assert [outcome.error and outcome.error["code"] for outcome in outcomes[1:]] == [
        "invalid_request",
        "upstream_unavailable",
    ]
    assert [outcome.totals and outcome.totals.cost_micros for outcome in outcomes] == [COST, 0, COST]


async def test_limits_hold_in_the_background(bench: Bench) -> None:
    call = caller_of(bench, Script("openai", says=lambda request: block("print(1)")))
    begun = await begin(call, bounds=bounds(max_iterations=2))
    late = await begin(call, bounds=bounds(max_seconds=0.0))
    async with worker(call):
        codes = [(await ended(bench, one, call)).error for one in (begun, late)]
    assert [error and error["code"] for error in codes] == ["max_iterations_exceeded", "max_timeout_exceeded"]


async def test_a_run_that_is_cancelled_has_failed_with_what_it_used(bench: Bench) -> None:
    held = asyncio.Event()

    async def hang(request: ChatRequest) -> str:
        held.set()
        await asyncio.Event().wait()
        return ""

    call = caller_of(bench, Script("openai", says=root_and_leaves(hang, block("llm_query('a')"))))
    begun = await begin(call)
    async with worker(call):
        await asyncio.wait_for(held.wait(), PATIENCE_SECONDS)
        await bench.jobs.cancel(bench.project_id, begun.id)
        done = await ended(bench, begun, call)
    assert (done.status, done.error) == ("failed", {"code": "cancelled", "message": "the run was cancelled"})
    assert done.totals is not None
    assert done.totals.cost_micros == COST
    assert [record.state for record in records_of(call)] == ["completed", "interrupted"]


async def test_a_run_that_was_waited_for_is_read_again_unless_that_is_not_wanted(bench: Bench) -> None:
    call = caller_of(bench, Script("openai", says=lambda request: "FINAL(here)"))
    kept = (await rlm.create(ask_for(TEXT, keep=True), call)).outcome
    gone = (await rlm.create(ask_for(TEXT, keep=False), call)).outcome
    await call.services.sandbox.close()
    assert await rlm.retrieve(kept.id, call) == kept
    with pytest.raises(NotFound):
        await rlm.retrieve(gone.id, call)
