"""What servers that speak OpenAI's API leave out or spell differently is put right; what cannot be read is broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from providers.errors import BrokenAnswer
from providers.inference.interface import TextRequest, Usage
from tests.contract.providers.fake_vendor import json_reply, sse_reply
from tests.contract.providers.rigs import NOW, Rig, rig_of
from tests.contract.providers.wires import OPENAI_HEAD, anthropic_event, anthropic_stream, anthropic_whole

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
TOKEN = {"token": "a", "logprob": -0.1}

MENDED: dict[str, dict[str, Any]] = {
    "no index": {"index": None},
    "content in parts": {"said": {"content": [{"type": "text", "text": "Hi"}]}},
    "reasoning": {"said": {"content": "Hi", "reasoning": "Hm"}},
    "arguments as an object": {"said": {"tool_calls": [{**CALL, "function": {"name": "find", "arguments": {"a": 1}}}]}},
    "a call without function": {"said": {"tool_calls": [{"id": "c1"}]}},
    "log probabilities": {"logprobs": {"content": [{**TOKEN, "top_logprobs": [TOKEN]}], "refusal": None}},
}
"""Of a choice: what differs from an ordinary one. `said` is its message, its delta, or its text."""

BROKEN: dict[str, dict[str, Any]] = {
    "said is a list": {"said": []},
    "said is a number": {"said": 5},
    "content is a number": {"said": {"content": 5}},
    "content is an object": {"said": {"content": {"a": 1}}},
    "parts that are none": {"said": {"content": ["Hi"]}},
    "reasoning in a list": {"said": {"reasoning_content": ["Hm"]}},
    "refusal is an object": {"said": {"refusal": {}}},
    "calls in an object": {"said": {"tool_calls": {"a": 1}}},
    "calls that are texts": {"said": {"tool_calls": ["find"]}},
    "a function that is a text": {"said": {"tool_calls": [{"function": "find"}]}},
    "a name that is a number": {"said": {"tool_calls": [{"function": {"name": 5}}]}},
    "an id that is a number": {"said": {"tool_calls": [{**CALL, "id": 5}]}},
    "a finish_reason that is a number": {"finish_reason": 5},
    "a finish_reason with a NUL": {"finish_reason": "stop\0"},
    "logprobs that are a text": {"logprobs": "x"},
    "logprobs without tokens": {"logprobs": {"content": [{"a": 1}]}},
    "logprobs with other tokens": {"logprobs": {"content": [{**TOKEN, "top_logprobs": ["b"]}]}},
    "parallel lists that are none": {"logprobs": {"tokens": ["a"], "token_logprobs": "x"}},
}

UNBELIEVABLE = [
    {"prompt_tokens": -5, "completion_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": -(10**9)},
    {"prompt_tokens": 2**62, "completion_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 10**6}},
]


def shaped(part: str, *, said: Any = None, finish_reason: Any = "stop", **more: Any) -> dict[str, Any]:
    """A body with one choice."""
    ordinary = "Hi" if part == "text" else {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, part: ordinary if said is None else said, "finish_reason": finish_reason, **more}
    return {**OPENAI_HEAD, "choices": [choice]}


def event(body: Any) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


@pytest.fixture
async def openai() -> AsyncIterator[Rig]:
    async with rig_of("openai") as rig:
        yield rig


@pytest.fixture
async def anthropic() -> AsyncIterator[Rig]:
    async with rig_of("anthropic") as rig:
        yield rig


async def whole(rig: Rig, body: Any) -> dict[str, Any]:
    rig.answering(json_reply(body))
    return (await rig.inference.chat(rig.request("text"))).body


async def streamed(rig: Rig, *bodies: Any) -> list[dict[str, Any]]:
    """What was relayed, as its readers parse it."""
    rig.answering(sse_reply([event(body) for body in bodies]))
    return [orjson.loads(chunk.raw) for chunk in await rig.chunks(rig.request("text"))]


@pytest.mark.parametrize("shape", MENDED)
async def test_a_choice_is_put_right(openai: Rig, shape: str) -> None:
    ((from_whole,), (from_stream,)) = (
        (await whole(openai, shaped("message", **MENDED[shape])))["choices"],
        (await streamed(openai, shaped("delta", **MENDED[shape])))[0]["choices"],
    )
    for choice, said in ((from_whole, from_whole["message"]), (from_stream, from_stream["delta"])):
        assert choice["index"] == 0
        assert said.get("content") in ("Hi", None)
        assert said.get("reasoning_content") in ("Hm", None)
        for call in said.get("tool_calls") or []:
            assert isinstance(call.get("function", {}).get("arguments", ""), str)


async def test_thoughts_among_the_parts_are_told_as_reasoning(openai: Rig) -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "42"}]
    (choice,) = (await streamed(openai, shaped("delta", said={"content": parts})))[0]["choices"]
    assert choice["delta"] == {"content": "42", "reasoning_content": "Hm"}


@pytest.mark.parametrize("shape", BROKEN)
async def test_a_choice_that_cannot_be_read_is_broken(openai: Rig, shape: str) -> None:
    with pytest.raises(BrokenAnswer):
        await whole(openai, shaped("message", **BROKEN[shape]))
    with pytest.raises(BrokenAnswer):
        await streamed(openai, shaped("delta", **BROKEN[shape]))


@pytest.mark.parametrize("said", [5, ["Hi"], {"a": 1}])
async def test_a_text_that_is_none_is_broken(openai: Rig, said: Any) -> None:
    openai.answering(json_reply(shaped("text", said=said)))
    with pytest.raises(BrokenAnswer):
        await openai.inference.complete(TextRequest("m", "Hello"))
    openai.answering(sse_reply([event(shaped("text", said=said))]))
    with pytest.raises(BrokenAnswer):
        await openai.chunks(TextRequest("m", "Hello"))


async def test_an_answer_without_a_message_is_broken_and_a_chunk_without_a_delta_says_nothing(openai: Rig) -> None:
    silent = {**OPENAI_HEAD, "choices": [{"index": 0, "finish_reason": "stop"}]}
    with pytest.raises(BrokenAnswer):
        await whole(openai, silent)
    (chunk,) = await streamed(openai, silent)
    assert chunk["choices"][0]["delta"] == {}


async def test_an_answer_without_an_id_gets_one_for_its_whole_stream(openai: Rig) -> None:
    body = {"choices": shaped("message")["choices"]}
    assert (await whole(openai, body))["created"] == int(NOW)
    bodies = [{"choices": shaped("delta", finish_reason=reason)["choices"]} for reason in (None, "stop")]
    first, second = await streamed(openai, *bodies)
    assert first["id"] == second["id"]
    assert first["id"].startswith("chatcmpl-")
    assert first["id"] != (await streamed(openai, *bodies))[0]["id"]


@pytest.mark.parametrize("given", ["", "a\0b", "x" * 300, 7])
async def test_an_id_that_cannot_be_kept_is_none(openai: Rig, anthropic: Rig, given: Any) -> None:
    assert (await whole(openai, {**shaped("message"), "id": given}))["id"].startswith("chatcmpl-")
    body = orjson.loads(anthropic_whole({"type": "text", "text": "Hi"}))
    anthropic.answering(json_reply({**body, "id": given}))
    with pytest.raises(BrokenAnswer):
        await anthropic.inference.chat(anthropic.request("text"))


@pytest.mark.parametrize("usage", UNBELIEVABLE)
async def test_counts_that_cannot_be_are_not_believed(openai: Rig, usage: dict[str, Any]) -> None:
    """They are as good as none: who asks counts for itself."""
    openai.answering(json_reply({**shaped("message"), "usage": usage}))
    assert (await openai.inference.chat(openai.request("text"))).usage is None
    openai.answering(sse_reply([event({**shaped("delta"), "usage": usage})]))
    assert [chunk.usage for chunk in await openai.chunks(openai.request("text"))] == [None]


@pytest.mark.parametrize("tokens", [-5, 2**62])
async def test_another_dialects_counts_that_cannot_be_are_not_believed_either(anthropic: Rig, tokens: int) -> None:
    body = orjson.loads(anthropic_whole({"type": "text", "text": "Hi"}))
    anthropic.answering(json_reply({**body, "usage": {"input_tokens": 3, "output_tokens": tokens}}))
    assert (await anthropic.inference.chat(anthropic.request("text"))).usage is None
    *begun, _, stop = anthropic_stream([{"type": "text", "text": "Hi"}])
    end = anthropic_event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": tokens})
    anthropic.answering(sse_reply([*begun, end, stop]))
    assert [chunk.usage for chunk in await anthropic.chunks(anthropic.request("text")) if chunk.usage] == []


async def test_a_streams_counts_are_those_that_are_believed(anthropic: Rig) -> None:
    anthropic.ready("text")
    found = [chunk.usage for chunk in await anthropic.chunks(anthropic.request("text")) if chunk.usage]
    assert found == [Usage(20, 7, cached_tokens=4, cache_write_tokens=6)]
