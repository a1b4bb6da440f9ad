from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core import rlm
from handlers.core.errors import Invalid
from handlers.core.rlm import Outcome, RlmAsk
from handlers.core.rlm.calls import AT_ONCE
from handlers.core.rlm.decomposition import Plan, make_plan, split
from providers.errors import Refused
from providers.inference.interface import ChatRequest, Usage
from providers.tools.interface import Page, Tools
from tests.unit.core.scripted import COST, LARGE, Script, ask_for, bounds, call_of, in_turn, records_of
from tests.unit.handlers.doubles import Pages

LINES = "".join(f"line {number} holds {number * 7}\n" for number in range(40_000))


def lambda_ask(text: Any, **changes: Any) -> RlmAsk:
    return ask_for(text, **({"engine": "lambda", "instructions": "What does line 4711 hold?"} | changes))


async def run(script: Script, ask: RlmAsk, **changes: Any) -> Outcome:
    return (await rlm.create(ask, call_of(script, **changes))).outcome


def reader(request: ChatRequest) -> str:
    """Finds the line in its part, or what was found of it."""
    text = request.messages[-1]["content"]
    if "line 4711 holds 32977" in text or "FOUND 32977" in text:
        return "FOUND 32977"
    return "nothing"


async def test_a_short_text_is_one_call() -> None:
    script = Script("openai", says=in_turn("42"))
    messages = [{"role": "user", "content": "What is 6 x 7?"}]
    outcome = await run(script, lambda_ask(messages, instructions="Be brief."))
    assert (outcome.status, outcome.text) == ("completed", "42")
    assert script.asked[0].messages == [{"role": "system", "content": "Be brief."}, *messages]  # type: ignore[union-attr]
    assert outcome.totals is not None
    assert (outcome.totals.calls, outcome.totals.cost_micros) == (1, COST)


async def test_a_long_text_is_read_in_parts_as_planned() -> None:
    script, ask = Script("openai", says=reader), lambda_ask(LINES)
    plan = make_plan(LINES, LARGE.context_tokens, ask.bounds.max_depth)
    call = call_of(script)
    outcome = (await rlm.create(ask, call)).outcome
    assert len(LINES) > 900_000
    assert outcome.text == "FOUND 32977"
    assert outcome.totals is not None
    assert plan.depth == 2
    assert outcome.totals.calls == plan.calls == len(script.asked)
    parts = [request for request in script.asked if "longer text" in request.messages[0]["content"]]  # type: ignore[union-attr]
    assert len(parts) == plan.ways**plan.depth
    pieces = {record.metadata["rlm"]["place"]: record.metadata["rlm"]["depth"] for record in records_of(call)}  # type: ignore[index]
    assert pieces["0="] == 0
    assert pieces["0.1.1"] == 2
    assert all("What does line 4711 hold?" in str(request.messages) for request in script.asked)  # type: ignore[union-attr]


async def test_parts_are_read_at_the_same_time_and_not_too_many() -> None:
    at_once, most, full, gate = 0, 0, asyncio.Event(), asyncio.Event()

    async def wait(request: ChatRequest) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if at_once == AT_ONCE:
            full.set()
        await gate.wait()
        at_once -= 1
        return "nothing"

    script = Script("openai", says=wait)
    running = asyncio.ensure_future(run(script, lambda_ask(LINES, bounds=bounds(max_depth=1))))
    await asyncio.wait_for(full.wait(), 60)
    for _ in range(100):  # in which one more would have begun
        await asyncio.sleep(0)
    gate.set()
    await running
    assert most == AT_ONCE
    assert len(script.asked) > AT_ONCE


async def test_a_part_that_fails_fails_the_run_with_what_it_used() -> None:
    def says(request: ChatRequest) -> Any:
        return Refused("not that") if "line 4711 " in request.messages[-1]["content"] else "nothing"

    outcome = await run(Script("openai", says=says), lambda_ask(LINES))
    assert outcome.error == {"code": "invalid_request", "message": "not that"}
    assert outcome.totals is not None
    assert outcome.totals.cost_micros > 0


async def test_the_budget_holds_among_calls_at_the_same_time() -> None:
    script = Script("openai", says=reader, usage=Usage(20_000, 10))
    outcome = await run(script, lambda_ask(LINES, bounds=bounds(max_budget_usd=Decimal(1))))
    assert outcome.error is not None
    assert outcome.error["code"] == "max_budget_exceeded"
    assert outcome.totals is not None
    assert 500_000 < outcome.totals.cost_micros <= 1_000_000


async def test_a_budget_that_is_good_for_nothing_fails_the_run() -> None:
    script = Script("openai", says=reader)
    outcome = await run(script, lambda_ask(LINES, bounds=bounds(max_budget_usd=Decimal("0.01"))))
    assert (outcome.status, outcome.totals and outcome.totals.cost_micros, script.asked) == ("failed", 0, [])


async def test_a_text_that_does_not_fit_the_depth_is_refused_before_any_call() -> None:
    script = Script("openai")
    with pytest.raises(Invalid) as refused:
        await run(script, lambda_ask("x" * 90_000, model="plain-1", bounds=bounds(max_depth=1)))
    assert refused.value.code == "input_too_large"
    assert script.asked == []


async def test_without_a_task_each_part_sees_how_the_text_begins_and_ends() -> None:
    script = Script("openai", says=lambda request: "part")
    await run(script, lambda_ask("Sum up what follows.\n" + LINES, instructions=None))
    assert all("Sum up what follows." in str(request.messages[0]["content"]) for request in script.asked)  # type: ignore[union-attr]


async def test_tools_are_called_by_the_model_and_answered() -> None:
    def call(name: str, **arguments: Any) -> dict[str, Any]:
        function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
        called = {"id": "call_1", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [called]}

    pages = Pages({"https://a.example/": Page("https://a.example/", "", "the page")})
    read = call("browser_read_page", url="https://a.example/")
    script = Script("openai", says=in_turn(read, call("browser_read_page", url="https://gone.example/"), "done"))
    ask = lambda_ask("Read it.", tools=("browser_read_page",))
    assert (await run(script, ask, tools=Tools(pages))).text == "done"
    assert script.prompts[1:] == ["the page", "[error: there is no such page]"]
    assert script.asked[0].options["tools"][0]["function"]["name"] == "browser_read_page"


async def test_tools_end_after_some_rounds() -> None:
    called = {"id": "c", "type": "function", "function": {"name": "browser_read_page", "arguments": '{"url": "x"}'}}
    endless = {"role": "assistant", "content": "well", "tool_calls": [called]}
    script = Script("openai", says=lambda request: endless)
    outcome = await run(script, lambda_ask("Read it.", tools=("browser_read_page",)))
    assert outcome.text == "well"
    assert ["tools" in request.options for request in script.asked] == [True] * 4 + [False]


async def test_tools_need_a_model_that_calls_functions() -> None:
    with pytest.raises(Invalid) as refused:
        await run(Script("openai"), lambda_ask("Read it.", model="plain-1", tools=("browser_read_page",)))
    assert refused.value.code == "model_does_not_support_tools"


@given(st.text(), st.integers(1, 12))
def test_parts_make_up_the_text(text: str, ways: int) -> None:
    parts = split(text, ways)
    assert "".join(parts) == text
    assert len(parts) <= ways


@given(
    st.integers(1, 3_000_000), st.sampled_from(["a", "é", "漢", "🙂"]), st.integers(500, 1_000_000), st.integers(1, 24)
)
def test_a_plan_holds_the_text_and_the_depth(length: int, letter: str, context_tokens: int, max_depth: int) -> None:
    text = letter * length
    try:
        plan = make_plan(text, context_tokens, max_depth)
    except Invalid:
        assert length * len(letter.encode()) > context_tokens
        return
    assert plan.depth <= max_depth
    assert plan.ways**plan.depth * plan.leaf_characters >= length
    assert plan.leaf_characters * len(letter.encode()) <= max(context_tokens, 4)
    assert plan.depth == 0 or plan.ways * plan.part_tokens <= context_tokens // 2


def test_a_plan_counts_its_calls() -> None:
    assert Plan(0, 1, 10, 10).calls == 1
    assert Plan(2, 3, 10, 10).calls == 13
