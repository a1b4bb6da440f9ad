"""What every implementation of `Inference` does alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from providers.inference.interface import TextRequest
from tests.contract.providers.fake_vendor import Reply, sse_reply
from tests.contract.providers.rigs import OTHER_SECRET, Mode, Rig, joined, plain, rig_of
from tests.contract.providers.wires import ANTHROPIC, OPENAI, SCENARIOS, SCHEMA, VENDOR_USAGE, said

MODES = pytest.mark.parametrize("mode", ["whole", "stream"])


async def message_of(rig: Rig, scenario: str, **options: Any) -> dict[str, Any]:
    rig.ready(scenario)
    completion = await rig.inference.chat(rig.request(scenario, **options))
    choice: dict[str, Any] = completion.body["choices"][0]
    return choice


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_whole_and_streamed_answers_say_the_same(rig: Rig, scenario: str) -> None:
    rig.ready(scenario)
    completion = await rig.inference.chat(rig.request(scenario))
    chunks = await rig.chunks(rig.request(scenario))
    whole, streamed = completion.body["choices"][0], joined(chunks)
    assert plain(streamed["message"]) == plain(whole["message"])
    assert streamed["finish_reason"] == whole["finish_reason"]
    assert chunks[-1].usage == completion.usage
    assert [chunk.usage for chunk in chunks[:-1] if chunk.usage] == []


async def test_every_chunk_is_one_line_of_json_and_the_same_parsed(rig: Rig) -> None:
    rig.ready("text")
    for chunk in await rig.chunks(rig.request("text")):
        assert b"\n" not in chunk.raw
        assert orjson.loads(chunk.raw) == chunk.body
        assert chunk.body["object"] == "chat.completion.chunk"
        assert isinstance(chunk.body["id"], str)


async def test_a_whole_answer_is_a_chat_completion(rig: Rig) -> None:
    rig.ready("text")
    body = (await rig.inference.chat(rig.request("text"))).body
    assert body["object"] == "chat.completion"
    assert isinstance(body["id"], str)
    assert isinstance(body["created"], int)
    assert body["choices"][0]["message"]["role"] == "assistant"
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["message"]["content"]


async def test_a_demanded_tool_is_called_with_valid_arguments(rig: Rig) -> None:
    choice = await message_of(rig, "tools")
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert (call["type"], call["function"]["name"]) == ("function", "get_weather")
    assert isinstance(orjson.loads(call["function"]["arguments"])["city"], str)


async def test_a_tools_result_leads_to_a_text_with_it(rig: Rig) -> None:
    choice = await message_of(rig, "result")
    assert "12 degrees" in choice["message"]["content"]
    assert not choice["message"].get("tool_calls")


async def test_a_schema_is_answered_with_an_instance(rig: Rig) -> None:
    choice = await message_of(rig, "structured")
    Draft202012Validator(SCHEMA).validate(orjson.loads(choice["message"]["content"]))


async def test_reasoning_is_told_beside_the_answer(rig: Rig) -> None:
    message = (await message_of(rig, "reasoning"))["message"]
    assert message["reasoning_content"]
    assert message["content"]


async def test_a_picture_is_understood(rig: Rig) -> None:
    assert (await message_of(rig, "picture"))["message"]["content"]


@MODES
async def test_usage_is_counted(rig: Rig, mode: Mode) -> None:
    rig.ready("text")
    answered = await rig.call(mode, rig.request("text"))
    usage = answered.usage if mode == "whole" else answered[-1].usage
    if rig.kind in VENDOR_USAGE:
        assert usage == VENDOR_USAGE[rig.kind]
    else:
        assert usage.prompt_tokens > 0
        assert usage.completion_tokens > 0
        assert usage.counted_by == "concordat"


async def test_a_text_completion_is_the_same_whole_and_streamed(rig: Rig) -> None:
    request = TextRequest(rig.model, "Once upon", {"max_tokens": 50})
    if rig.kind == "openai":
        body = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": "stop"}
        assert rig.vendor is not None
        rig.vendor.reply = Reply([orjson.dumps({**body, "choices": [{**choice, "text": " a time"}]})])
        parts = [{**choice, "text": " a", "finish_reason": None}, {**choice, "text": " time"}]
        events = [b"data: " + orjson.dumps({**body, "choices": [part]}) + b"\n\n" for part in parts]
        rig.vendor.streamed_reply = sse_reply(events)
    else:
        rig.ready("text")
    completion = await rig.inference.complete(request)
    chunks = await rig.chunks(request)
    assert completion.body["object"] == "text_completion"
    assert {chunk.body["object"] for chunk in chunks} == {"text_completion"}
    streamed = [choice for chunk in chunks for choice in chunk.body["choices"]]
    assert "".join(choice["text"] for choice in streamed) == completion.body["choices"][0]["text"] != ""
    assert streamed[-1]["finish_reason"] == completion.body["choices"][0]["finish_reason"] == "stop"
    if rig.vendor is not None and rig.kind == "openai":
        assert rig.vendor.last.path == "/v1/completions"
        assert rig.vendor.last.body["prompt"] == "Once upon"


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_stream_may_arrive_in_any_portions(remote: Rig, scenario: str) -> None:
    remote.ready(scenario)
    assert remote.vendor is not None
    expected = [chunk.raw for chunk in await remote.chunks(remote.request(scenario))]
    wire = b"".join((OPENAI if remote.kind == "openai" else ANTHROPIC)[scenario][1])
    for size in (1, 7, 100, len(wire)):
        portions = [wire[at : at + size] for at in range(0, len(wire), size)]
        remote.answering(sse_reply(portions))
        assert [chunk.raw for chunk in await remote.chunks(remote.request(scenario))] == expected


@MODES
async def test_unknown_options_reach_the_vendor(remote: Rig, mode: Mode) -> None:
    remote.ready("text")
    await remote.call(mode, remote.request("text", nobodys_option={"deep": [1]}, top_k=3))
    assert remote.vendor is not None
    assert remote.vendor.last.body["nobodys_option"] == {"deep": [1]}
    assert remote.vendor.last.body["top_k"] == 3
    assert remote.vendor.last.headers["x-organisation"] == OTHER_SECRET


async def test_log_probabilities_come_with_each_token() -> None:
    async with rig_of("simulator") as rig:
        completion = await rig.inference.chat(rig.request("text", logprobs=True, top_logprobs=2))
        choice = completion.body["choices"][0]
        tokens = choice["logprobs"]["content"]
        assert "".join(entry["token"] for entry in tokens) == choice["message"]["content"]
        assert all(len(entry["top_logprobs"]) == 2 for entry in tokens)
        streamed = [
            entry
            for chunk in await rig.chunks(rig.request("text", logprobs=True, top_logprobs=2))
            for choice in chunk.body["choices"]
            if choice["logprobs"]
            for entry in choice["logprobs"]["content"]
        ]
        assert streamed == tokens


async def test_two_prompts_are_told_apart_by_the_simulator() -> None:
    async with rig_of("simulator") as rig:
        one = rig.request("text")
        others = [
            replace(one, messages=said("Hello")),
            replace(one, messages=[{"role": "system", "content": "Be long."}, *said("Hello")]),
            replace(one, messages=[*one.messages, *said("Hello")]),
            replace(one, options={**one.options, "seed": 1}),
        ]
        texts = [
            (await rig.inference.chat(request)).body["choices"][0]["message"]["content"] for request in [one, *others]
        ]
        assert len(set(texts)) == 5
