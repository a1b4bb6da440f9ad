from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from providers import tokens
from providers.errors import BrokenAnswer, ProviderError, Refused, Unauthorized, Unavailable
from providers.inference.interface import ChatRequest, Chunk, Completion, TextRequest, each
from providers.inference.simulator import Simulator

ADDRESS = {
    "type": "object",
    "properties": {"street": {"type": "string"}, "number": {"type": "integer", "minimum": 1}},
    "required": ["street", "number"],
    "additionalProperties": False,
}


def tool(name: str, parameters: Any = None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **({"parameters": parameters} if parameters else {})}}


TOOLS = [tool("find_address", ADDRESS), tool("get_time")]


def counting() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: str(next(numbers))


def simulator() -> Simulator:
    return Simulator(clock=lambda: 1_800_000_000.9, new_id=counting())


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def chat(text: str = "Hello there", model: str = "chat", **options: Any) -> Completion:
    return await simulator().chat(ChatRequest(model, said(text), options))


async def stream(text: str = "Hello there", model: str = "chat", **options: Any) -> list[Chunk]:
    bursts = simulator().stream_chat(ChatRequest(model, said(text), options))
    return [chunk async for burst in bursts for chunk in each(burst)]


def content(completion: Completion, index: int = 0) -> Any:
    return completion.body["choices"][index]["message"]["content"]


def called(completion: Completion) -> list[str]:
    return [call["function"]["name"] for call in completion.body["choices"][0]["message"].get("tool_calls", [])]


async def test_an_answer_says_what_it_is_and_answers_what() -> None:
    completion = await chat()
    assert completion.body["system_fingerprint"] == "simulator"
    assert completion.body["model"] == "chat"
    assert completion.body["created"] == 1_800_000_000
    assert completion.body["id"] == "chatcmpl-1"
    assert "simulated" in content(completion)
    assert "Hello there" in content(completion)


async def test_the_same_request_gets_the_same_answer() -> None:
    assert content(await chat(seed=3)) == content(await chat(seed=3))
    assert content(await chat(seed=3)) != content(await chat(seed=4))


async def test_pictures_and_roles_count_as_prompt() -> None:
    def picture(data: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

    conversations: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": [{"type": "text", "text": "See"}, picture(data)]}] for data in ("AA", "BB")
    ]
    conversations += [[{"role": role, "content": "Hi"}, *said("See")] for role in ("system", "user")]
    answers = [await simulator().chat(ChatRequest("chat", messages)) for messages in conversations]
    assert len({content(answer) for answer in answers}) == 4
    assert "[image]" in content(answers[0])


async def test_choices_differ_and_all_are_counted() -> None:
    one, three = await chat(), await chat(n=3)
    assert len({content(three, index) for index in range(3)}) == 3
    assert three.usage is not None
    assert one.usage is not None
    assert three.usage.prompt_tokens == one.usage.prompt_tokens
    assert three.usage.completion_tokens > 2 * one.usage.completion_tokens


async def test_streamed_choices_carry_their_index() -> None:
    whole, texts = await chat(n=2), ["", ""]
    for chunk in await stream(n=2):
        for choice in chunk.body["choices"]:
            texts[choice["index"]] += choice["delta"].get("content") or ""
    assert texts == [content(whole, 0), content(whole, 1)]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
async def test_a_limit_cuts_the_answer(name: str) -> None:
    limit: dict[str, Any] = {name: 4}
    completion = await chat(**limit)
    assert completion.body["choices"][0]["finish_reason"] == "length"
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 4
    assert content(await chat()).startswith(content(completion))
    assert await tokens.count_text(content(completion)) == 4


async def test_reasoning_is_within_the_limit() -> None:
    completion = await chat(reasoning_effort="low", max_completion_tokens=3)
    assert completion.usage is not None
    assert (completion.usage.reasoning_tokens, completion.usage.completion_tokens) == (3, 3)
    assert content(completion) == ""
    assert completion.body["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("asked", [{"reasoning_effort": "high"}, {"reasoning": {"effort": "high"}}])
async def test_reasoning_is_told_when_asked_for(asked: dict[str, Any]) -> None:
    assert "high" in (await chat(**asked)).body["choices"][0]["message"]["reasoning_content"]
    assert "reasoning_content" not in (await chat()).body["choices"][0]["message"]


@pytest.mark.parametrize("stop", ["answer", ["nowhere", "answer", "to"]])
async def test_nothing_is_said_past_a_stop(stop: Any) -> None:
    completion = await chat(stop=stop)
    assert content(completion) == "This is a simulated "
    assert completion.body["choices"][0]["finish_reason"] == "stop"
    streamed = [choice["delta"].get("content") or "" for c in await stream(stop=stop) for choice in c.body["choices"]]
    assert "".join(streamed) == "This is a simulated "


async def test_a_tool_is_called_only_when_asked_for_by_name() -> None:
    assert called(await chat("Use get_time now", tools=TOOLS)) == ["get_time"]
    assert called(await chat("What time is it?", tools=TOOLS)) == []
    assert called(await chat("Do not target_time or get_timer", tools=TOOLS)) == []
    assert called(await chat("Use get_time now", tools=TOOLS, tool_choice="none")) == []


async def test_several_tools_are_called_in_parallel_unless_forbidden() -> None:
    text = "Use get_time and find_address"
    both = await chat(text, tools=TOOLS)
    assert called(both) == ["find_address", "get_time"]
    assert len({call["id"] for call in both.body["choices"][0]["message"]["tool_calls"]}) == 2
    assert called(await chat(text, tools=TOOLS, parallel_tool_calls=False)) == ["find_address"]


async def test_a_tool_is_named_by_its_whole_name() -> None:
    tools = [tool("find", {}), tool("find-it", {}), tool("web.find", {})]
    assert called(await chat("use find-it", tools=tools)) == ["find-it"]
    assert called(await chat("refind it, finder", tools=tools)) == []
    assert called(await chat("(web.find)", tools=tools)) == ["find", "web.find"]


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("required", "find_address"),
        ({"type": "function", "function": {"name": "get_time"}}, "get_time"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "get_time"}}],
                },
            },
            "get_time",
        ),
    ],
)
async def test_a_demanded_tool_is_called(choice: Any, name: str) -> None:
    completion = await chat(tools=TOOLS, tool_choice=choice)
    assert called(completion) == [name]
    assert content(completion) is None
    assert completion.body["choices"][0]["finish_reason"] == "tool_calls"


async def test_arguments_are_valid_and_streamed_in_fragments() -> None:
    whole = await chat(tools=TOOLS, tool_choice="required")
    arguments = whole.body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    Draft202012Validator(ADDRESS).validate(orjson.loads(arguments))
    fragments = [
        call["function"]["arguments"]
        for chunk in await stream(tools=TOOLS, tool_choice="required")
        for choice in chunk.body["choices"]
        for call in choice["delta"].get("tool_calls", [])
    ]
    assert len(fragments) > 3
    assert "".join(fragments) == arguments


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": 1}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": 1}}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": []}}}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": ["get_time"]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": False}}}, "response_format"),
        ({"tools": [tool("f", {"type": "nonsense"})], "tool_choice": "required"}, "tools[f].parameters"),
    ],
)
async def test_what_cannot_be_obeyed_is_refused_by_name(options: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        await chat(**options)
    assert caught.value.param == param
    with pytest.raises(Refused):
        await stream(**options)


async def test_no_messages_are_refused() -> None:
    with pytest.raises(Refused, match="messages"):
        await simulator().chat(ChatRequest("chat", []))


async def test_a_tools_result_is_repeated_whatever_its_shape() -> None:
    for result in ("42 is the answer", [{"type": "text", "text": "42 is the answer"}]):
        messages = [*said("Use get_time"), {"role": "tool", "tool_call_id": "c", "content": result}]
        completion = await simulator().chat(ChatRequest("chat", messages, {"tools": TOOLS}))
        assert "42 is the answer" in content(completion)
        assert called(completion) == []


async def test_json_is_an_object_that_depends_on_the_prompt() -> None:
    wanted = {"type": "json_object"}
    one, other = await chat(response_format=wanted), await chat("Else", response_format=wanted)
    assert isinstance(orjson.loads(content(one)), dict)
    assert content(one) != content(other)


async def test_a_schema_is_obeyed_and_depends_on_the_prompt() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "address", "schema": ADDRESS, "strict": True}}
    one, other = await chat(response_format=wanted), await chat("Else", response_format=wanted)
    Draft202012Validator(ADDRESS).validate(orjson.loads(content(one)))
    assert content(one) != content(other)


async def test_a_text_is_continued_with_the_limits_of_a_chat() -> None:
    completion = await simulator().complete(TextRequest("chat", "Once", {"max_tokens": 5, "logprobs": 2, "echo": True}))
    choice = completion.body["choices"][0]
    assert choice["text"].startswith("Once")
    assert choice["finish_reason"] == "length"
    assert "".join(choice["logprobs"]["tokens"]) == choice["text"]
    assert [len(top) for top in choice["logprobs"]["top_logprobs"]] == [2] * 5
    assert choice["logprobs"]["text_offset"][0] == 0
    assert completion.body["id"] == "cmpl-1"


async def test_texts_beyond_ascii_are_streamed_whole() -> None:
    text = "Grüße 👩‍👩‍👧 日本語"
    streamed = [choice["delta"].get("content") or "" for c in await stream(text) for choice in c.body["choices"]]
    assert text in "".join(streamed)
    assert "�" not in "".join(streamed)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("error-400", Refused),
        ("error-401", Unauthorized),
        ("error-418", Refused),
        ("error-500", Unavailable),
        ("error-599", Unavailable),
        ("cut-stream", Unavailable),
        ("bad-json", BrokenAnswer),
    ],
)
async def test_a_models_name_scripts_a_fault(model: str, expected: type[ProviderError]) -> None:
    with pytest.raises(expected):
        await chat(model=model)
    with pytest.raises(expected):
        await stream(model=model)
    with pytest.raises(expected):
        await simulator().complete(TextRequest(model, "x"))


async def test_an_empty_answer_has_an_end_and_usage() -> None:
    completion = await chat(model="empty")
    assert content(completion) == ""
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 0
    assert [c.body["choices"][0]["finish_reason"] for c in await stream(model="empty") if c.body["choices"]][
        -1
    ] == "stop"


async def test_a_slow_model_answers_as_any_other() -> None:
    assert "simulated" in content(await chat(model="slow-1ms"))
    assert (await stream(model="slow-1ms", max_tokens=2))[-1].usage is not None


async def test_what_hangs_can_be_cancelled() -> None:
    task = asyncio.ensure_future(chat(model="hang"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
