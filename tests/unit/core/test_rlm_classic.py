from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from handlers.core import rlm
from handlers.core.errors import Forbidden, Invalid, NotFound, PaymentRequired, RateLimited
from handlers.core.rlm import Outcome, RlmAsk
from providers import errors as vendor_errors
from providers.inference.interface import ChatRequest
from providers.tools.interface import Hit, Page, Tools
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
from tests.unit.handlers.bench import make_call, make_services
from tests.unit.handlers.doubles import Pages, Purse

TEXT = "alpha beta gamma"


async def run(script: Script, ask: RlmAsk, **changes: Any) -> Outcome:
    call = call_of(script, **changes)
    try:
        return (await rlm.create(ask, call)).outcome
    finally:
        await call.services.sandbox.close()


def user_texts(request: Any) -> str:
    return "\n".join(str(message["content"]) for message in request.messages)


async def test_the_model_works_in_steps_and_is_shown_what_it_printed() -> None:
    script = Script("openai", says=in_turn(block("words = context.split()\nprint(len(words))"), "FINAL(three)"))
    outcome = await run(script, ask_for(TEXT, instructions="How many words?"))
    assert (outcome.status, outcome.text) == ("completed", "three")
    first, second = script.asked
    assert "How many words?" in user_texts(first)
    assert script.prompts[1] == "Output:\n3\n"
    assert isinstance(second, ChatRequest)
    assert [message["role"] for message in second.messages] == ["system", "user", "assistant", "user"]


async def test_variables_stay_and_one_of_them_is_the_answer() -> None:
    steps = [block("found = [word.upper() for word in context.split()]"), block("found.append('DELTA')")]
    script = Script("openai", says=in_turn(*steps, "That is all.\nFINAL_VAR(found)"))
    assert (await run(script, ask_for(TEXT))).text == '["ALPHA","BETA","GAMMA","DELTA"]'


@pytest.mark.parametrize(
    "code",
    ["FINAL('so ' + context)", "answer = 'so ' + context\nFINAL_VAR('answer')", "x = 'so '\nFINAL(x + context)\n1/0"],
)
async def test_code_gives_the_answer_itself(code: str) -> None:
    assert (await run(Script("openai", says=in_turn(block(code))), ask_for(TEXT))).text == f"so {TEXT}"


async def test_code_and_the_variable_that_it_made_come_in_one_answer() -> None:
    script = Script("openai", says=in_turn(block("size = len(context)") + "\nFINAL_VAR(size)"))
    assert (await run(script, ask_for(TEXT))).text == "16"


async def test_an_answer_beside_code_that_failed_comes_too_early() -> None:
    script = Script("openai", says=in_turn(block("1/0") + "\nFINAL(42)", "FINAL(43)"))
    assert (await run(script, ask_for(TEXT))).text == "43"
    assert "ZeroDivisionError: division by zero" in script.prompts[1]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (block("def f(:"), "SyntaxError"),
        (block("nothing_there"), "NameError"),
        (block("import socket"), "ModuleNotFoundError"),
        (block("open('/etc/passwd').read()"), "PermissionError"),
        (block("import os\nprint(os.environ)"), "RuntimeError"),
        (block("while True: pass"), "TimeoutError"),
        (block("x = ' ' * 10**9"), "MemoryError"),
        (block("llm_query()"), "the argument prompt is missing"),
        (block("llm_query_batched('one')"), "takes a list"),
        (block("class A: pass\nFINAL(A())"), "is no text"),
        (block("FINAL_VAR(3)"), "takes the name of a variable"),
        ("FINAL_VAR(never_made)", "NameError"),
        ("I do not know what to do.", "no complete ```repl block and no FINAL"),
        ("```repl\nprint(1)", "no complete ```repl block and no FINAL"),
        (block("pass"), "(nothing was printed)"),
        (block("len(context)"), "16"),
        (block("print('y' * 20_000)"), "[12001 more characters]"),
    ],
)
async def test_the_model_is_shown_what_went_wrong(said: str, shown: str) -> None:
    script = Script("openai", says=in_turn(said, "FINAL(done)"))
    assert (await run(script, ask_for(TEXT))).text == "done"
    assert shown in script.prompts[1]


async def test_a_session_is_as_it_was_before_code_that_was_stopped() -> None:
    steps = [block("kept = 'before'"), block("kept = 'after'\nwhile True: pass"), "FINAL_VAR(kept)"]
    assert (await run(Script("openai", says=in_turn(*steps)), ask_for(TEXT))).text == "before"


async def test_a_megabyte_is_never_sent_whole() -> None:
    text = "".join(f"line {number}: {'x' * 90}\n" for number in range(10_000)) + "the secret is 4711\n"
    code = "import re\nprint(context[:100])\npart = re.search('secret is.*', context)[0]\nprint(llm_query(part))"
    script = Script("openai", says=root_and_leaves(lambda request: "leaf", block(code), "FINAL(4711)"))
    assert len(text) > 1_000_000
    assert (await run(script, ask_for(text))).text == "4711"
    assert max(len(user_texts(request)) for request in script.asked) < 10_000
    assert "secret is 4711" in script.prompts[1]


async def test_parts_are_asked_about_one_by_one_and_many_at_a_time() -> None:
    code = """
one = llm_query('upper ' + context.split()[0])
many = llm_query_batched(['upper ' + word for word in context.split()])
FINAL(one + '+' + ' '.join(many))"""
    script = Script(
        "openai", says=root_and_leaves(lambda request: request.messages[0]["content"][6:].upper(), block(code))
    )
    outcome = await run(script, ask_for(TEXT))
    assert outcome.text == "ALPHA+ALPHA BETA GAMMA"
    assert outcome.totals is not None
    assert (outcome.totals.calls, outcome.totals.input_tokens, outcome.totals.output_tokens) == (5, 500, 50)
    assert outcome.totals.cost_micros == 5 * COST


async def test_every_call_is_recorded_once_under_the_run() -> None:
    code = "llm_query_batched(['a', 'b'])\nFINAL(rlm_query('c', context))"
    purse = Purse()
    script = Script("openai", says=root_and_leaves(lambda request: "leaf", block(code), "FINAL(deep)"))
    call = call_of(script, quota=purse)
    outcome = (await rlm.create(ask_for(TEXT), call)).outcome
    await call.services.sandbox.close()
    records = records_of(call)
    told = [record.metadata["rlm"] for record in records if record.metadata]
    assert {one["response_id"] for one in told} == {outcome.id}
    assert {one["request_id"] for one in told} == {"req-1"}
    assert sorted((one["depth"], one["place"]) for one in told) == [(0, "0"), (1, "0.1.0"), (1, "0.1.1"), (1, "0.2/0")]
    assert len({record.request_id for record in records}) == 4
    assert {(r.state, r.http_status, r.cost_micros, r.model) for r in records} == {
        ("completed", 200, COST, "openai/gpt-5.5")
    }
    assert purse.settled == [(110, COST)] * 4
    assert (call.record.cost_micros, call.record.prompt_tokens) == (0, 0)
    assert call.record.metadata == {"rlm": {"response_id": outcome.id, "calls": 4, "cost_micros": 4 * COST}}


async def test_it_goes_no_deeper_than_is_allowed() -> None:
    def says(request: ChatRequest) -> str:
        if not is_root(request):
            return "bottom"
        return block("FINAL('>' + rlm_query('deeper', context))")

    depths = {}
    for depth in (1, 2, 3):
        script = Script("openai", says=says)
        depths[depth] = (await run(script, ask_for(TEXT, bounds=bounds(max_depth=depth)))).text
        assert sum(is_root(request) for request in script.asked if isinstance(request, ChatRequest)) == depth
        assert script.prompts[-1] == f"deeper\n\n{TEXT}"
    assert depths == {1: ">bottom", 2: ">>bottom", 3: ">>>bottom"}


async def test_a_helper_without_an_answer_is_an_error_in_the_code_that_asked_it() -> None:
    code = "try:\n    rlm_query('x', 'y')\nexcept RuntimeError as error:\n    print('caught', error)"
    script = Script("openai", says=in_turn(block(code), block("1"), block("2"), "FINAL(ok)"))
    outcome = await run(script, ask_for(TEXT, bounds=bounds(max_iterations=2)))
    assert outcome.text == "ok"
    assert "caught there was no answer after 2 iterations" in script.prompts[3]


async def test_without_an_answer_in_time_a_run_has_failed_and_tells_what_it_used() -> None:
    script = Script("openai", says=lambda request: block("print(1)"))
    outcome = await run(script, ask_for(TEXT, bounds=bounds(max_iterations=3)))
    assert (outcome.status, outcome.text) == ("failed", None)
    assert outcome.error is not None
    assert outcome.error["code"] == "max_iterations_exceeded"
    assert outcome.totals is not None
    assert (outcome.totals.calls, outcome.totals.cost_micros) == (3, 3 * COST)
    assert "last step" in script.prompts[2]
    assert "last step" not in script.prompts[1]


async def test_the_budget_is_never_exceeded() -> None:
    script = Script("openai", says=lambda request: block("llm_query_batched(['a', 'b', 'c'])"))
    most = Decimal("0.010")
    outcome = await run(script, ask_for(TEXT, bounds=bounds(max_budget_usd=most)))
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error["code"] == "max_budget_exceeded"
    assert outcome.totals is not None
    assert 3 * COST < outcome.totals.cost_micros <= 10_000
    for request in script.asked:
        assert request.options["max_completion_tokens"] * 30 < 10_000


async def test_time_runs_out_in_the_middle_of_a_call() -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return ""

    for seconds in (0.5, 5.0, 50.0):  # until there was time enough to come to the calls
        script = Script("openai", says=root_and_leaves(lambda request: hang(), block("llm_query_batched(['a', 'b'])")))
        call = call_of(script)
        outcome = (await rlm.create(ask_for(TEXT, bounds=bounds(max_seconds=seconds)), call)).outcome
        await call.services.sandbox.close()
        if len(script.asked) == 3:
            break
    assert outcome.error == {"code": "max_timeout_exceeded", "message": f"there was no answer after {seconds:g} s"}
    assert outcome.totals is not None
    assert outcome.totals.cost_micros == COST
    assert sorted(record.state for record in records_of(call)) == ["completed", "interrupted", "interrupted"]


async def test_a_client_that_goes_ends_all_calls() -> None:
    asked = asyncio.Event()

    async def hang() -> str:
        asked.set()
        await asyncio.Event().wait()
        return ""

    call = call_of(Script("openai", says=root_and_leaves(lambda request: hang(), block("llm_query('a')"))))
    running = asyncio.ensure_future(rlm.create(ask_for(TEXT), call))
    await asked.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await call.services.sandbox.close()
    assert running.cancelled()
    assert [record.state for record in records_of(call)] == ["completed", "interrupted"]


async def test_a_call_that_fails_is_an_error_in_the_code_that_made_it() -> None:
    code = """
try:
    llm_query('x')
except RuntimeError as error:
    print('one:', error)
print(llm_query_batched(['x', 'y']))"""

    def leaf(request: ChatRequest) -> Any:
        return "fine" if request.messages[0]["content"] == "y" else vendor_errors.Refused("not that")

    script = Script("openai", says=root_and_leaves(leaf, block(code), "FINAL(ok)"))
    assert (await run(script, ask_for(TEXT))).text == "ok"
    assert "one: not that" in script.prompts[-1]
    assert "['[error: not that]', 'fine']" in script.prompts[-1]


async def test_a_run_that_cannot_begin_is_an_error() -> None:
    with pytest.raises(Invalid):
        await run(Script("openai", says=in_turn(vendor_errors.Refused("no"))), ask_for(TEXT))
    with pytest.raises(PaymentRequired):
        await run(Script("openai"), ask_for(TEXT), quota=Purse(PaymentRequired("no credits")))
    with pytest.raises(RateLimited):
        await run(Script("openai"), ask_for(TEXT), quota=Purse(RateLimited("slowly")))
    for text in ("", " \n", [{"role": "user", "content": ""}]):
        with pytest.raises(Invalid):
            await run(Script("openai"), ask_for(text))
    with pytest.raises(NotFound):
        await run(Script("openai"), ask_for(TEXT, model="nobody/nothing"))
    call = make_call("maniac", make_services(Script("openai")), models=frozenset({"plain-1"}))
    with pytest.raises(Forbidden):
        await rlm.create(ask_for(TEXT), call)


async def test_credits_that_run_out_on_the_way_end_the_run() -> None:
    purse = Purse()

    def leaf(request: ChatRequest) -> str:
        purse.refuse = PaymentRequired("no credits", code="insufficient_credits")
        return "leaf"

    script = Script("openai", says=root_and_leaves(leaf, block("llm_query('a')\nllm_query('b')"), "FINAL(never)"))
    outcome = await run(script, ask_for(TEXT), quota=purse)
    assert outcome.error == {"code": "insufficient_credits", "message": "no credits"}
    assert outcome.totals is not None
    assert outcome.totals.cost_micros == 2 * COST


async def test_a_run_waits_where_a_single_request_would_be_refused() -> None:
    left = [vendor_errors.Throttled("slowly", retry_after_seconds=30)] * 4

    def leaf(request: ChatRequest) -> Any:
        return left.pop() if left else "leaf"

    script = Script("openai", says=root_and_leaves(leaf, block("FINAL(llm_query('a'))")))
    assert (await run(script, ask_for(TEXT))).text == "leaf"


async def test_messages_are_a_list_in_the_session() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 6 x 7?"}]
    script = Script("openai", says=in_turn(block("FINAL([m['role'] for m in context])")))
    assert (await run(script, ask_for(messages))).text == '["system","user"]'
    assert "What is 6 x 7?" in user_texts(script.asked[0])


async def test_effort_goes_to_every_call() -> None:
    script = Script("openai", says=root_and_leaves(lambda request: "leaf", block("FINAL(llm_query('a'))")))
    await run(script, ask_for(TEXT, effort="high"))
    assert [request.options for request in script.asked] == [{"reasoning_effort": "high"}] * 2


async def test_a_long_conversation_loses_its_oldest_steps() -> None:
    steps = [block(f"print('{number}' * 7000)") for number in range(60)]
    script = Script("openai", says=in_turn(*steps, "FINAL(ok)"))
    assert (await run(script, ask_for(TEXT, bounds=bounds(max_iterations=100)))).text == "ok"
    assert max(len(user_texts(request)) for request in script.asked) < 210_000
    assert "Earlier steps are left out" in user_texts(script.asked[-1])
    assert "`context` is a text of 16 characters" in user_texts(script.asked[-1])


class Engine:
    name = "engine"

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def search(self, query: str, most: int) -> list[Hit]:
        self.asked.append((query, most))
        return [Hit("Concord", "https://a.example/", "An agreement.")]


async def test_tools_are_functions_of_the_session() -> None:
    engine, pages = Engine(), Pages({"https://a.example/": Page("https://a.example/", "Concord", "long " * 100)})
    code = """
hit = web_search('concord')[0]
try:
    browser_read_page('https://gone.example/')
except RuntimeError as error:
    print(error)
FINAL(hit['title'] + ': ' + browser_read_page(hit['url']))"""
    script = Script("openai", says=in_turn(block(code)))
    config = {"web_search": {"max_results": 2}, "browser_read_page": {"max_characters": 100}}
    outcome = await run(script, ask_for(TEXT, tool_config=config), tools=Tools(pages, engine))
    assert outcome.text is not None
    assert outcome.text.startswith("Concord: Concord\n\nlong long")
    assert outcome.text.endswith("[409 more characters]")
    assert engine.asked == [("concord", 2)]


async def test_a_tool_that_is_not_enabled_is_not_there() -> None:
    script = Script("openai", says=in_turn(block("browser_read_page('https://a.example/')"), "FINAL(ok)"))
    await run(script, ask_for(TEXT, tools=()))
    assert "NameError" in script.prompts[1]
    assert "browser_read_page" not in user_texts(script.asked[0])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tools": ("web_search",)}, "tool_not_configured"),
        ({"tool_config": {"web_search": {}}}, "invalid_tool_config"),
        ({"tool_config": {"teleport": {}}}, "invalid_tool_config"),
        ({"tool_config": {"browser_read_page": {"colour": 1}}}, "invalid_tool_config"),
        ({"tool_config": {"browser_read_page": {"max_characters": 1}}}, "invalid_tool_config"),
        ({"tool_config": {"browser_read_page": {"max_characters": True}}}, "invalid_tool_config"),
        ({"tool_config": {"browser_read_page": 3}}, "invalid_tool_config"),
        ({"engine": "lambda", "tool_config": {"browser_read_page": {}}}, "invalid_tool_config"),
    ],
)
async def test_tools_that_are_not_there_are_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        await run(Script("openai"), ask_for(TEXT, **changes))
    assert refused.value.code == code
