"""What vendors of one API do differently, and what must come through unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import orjson
import pytest

from providers.errors import Refused, Unavailable
from providers.inference.interface import ChatRequest, Usage
from providers.inference.openai_compatible import OpenAICompatible
from tests.contract.providers.fake_vendor import Reply, json_reply, sse_reply
from tests.contract.providers.rigs import KEY, Rig, joined, rig_of
from tests.contract.providers.wires import (
    OPENAI,
    anthropic_event,
    anthropic_stream,
    anthropic_whole,
    openai_stream,
    openai_whole,
    said,
)


@pytest.fixture
async def openai() -> AsyncIterator[Rig]:
    async with rig_of("openai") as rig:
        yield rig


@pytest.fixture
async def anthropic() -> AsyncIterator[Rig]:
    async with rig_of("anthropic") as rig:
        yield rig


def sent(rig: Rig) -> Any:
    assert rig.vendor is not None
    return rig.vendor.last.body


def chunk(choices: list[dict[str, Any]], **members: Any) -> bytes:
    return b"data: " + orjson.dumps({"id": "1", "created": 1, "choices": choices, **members}) + b"\n\n"


END = {"index": 0, "delta": {}, "finish_reason": "stop"}


async def test_the_request_goes_out_as_it_is(openai: Rig) -> None:
    openai.ready("text")
    request = openai.request("text", logit_bias={"1": 2})
    await openai.inference.chat(request)
    assert openai.vendor is not None
    assert openai.vendor.last.path == "/v1/chat/completions"
    assert openai.vendor.last.headers["authorization"] == f"Bearer {KEY}"
    assert sent(openai) == {"model": "chat", "messages": request.messages, **request.options}


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ("response_format", {"response_format": {"type": "grammar", "grammar": 'root ::= "x"'}}),
        ("structured_outputs", {"structured_outputs": {"grammar": 'root ::= "x"'}}),
        ("guided_grammar", {"guided_grammar": 'root ::= "x"'}),
        ("grammar", {"grammar": 'root ::= "x"'}),
        ("ebnf", {"ebnf": 'root ::= "x"'}),
    ],
)
async def test_a_grammar_is_said_as_the_vendor_takes_it(openai: Rig, style: Any, said: dict[str, Any]) -> None:
    openai.ready("text")
    wanted = {"type": "grammar", "grammar": 'root ::= "x"'}
    inference = cast(OpenAICompatible, openai.inference)
    told = replace(inference, vendor=replace(inference.vendor, grammar=style))
    await told.chat(ChatRequest("chat", [], {"response_format": wanted, "seed": 1}))
    assert sent(openai) == {"model": "chat", "messages": [], "seed": 1, **said}
    with pytest.raises(Refused) as caught:
        await inference.chat(ChatRequest("chat", [], {"response_format": wanted}))
    assert caught.value.code == "model_does_not_support_grammar"


async def test_a_stream_always_asks_for_usage(openai: Rig) -> None:
    openai.ready("text")
    await openai.chunks(openai.request("text"))
    assert sent(openai)["stream"] is True
    assert sent(openai)["stream_options"] == {"include_usage": True}


async def test_chunks_are_relayed_byte_for_byte(openai: Rig) -> None:
    choices = b'[ {"delta":{"content":"\\u00e9"},"finish_reason" : "stop", "index":0} ]'
    odd = b'{ "id":"1","created":1, "choices" : ' + choices + b',"vendors_own":1.50 }'
    openai.answering(sse_reply([b"data: " + odd + b"\n\n"]))
    assert [chunk.raw for chunk in await openai.chunks(openai.request("text"))] == [odd]


async def test_json_over_several_lines_is_put_on_one(openai: Rig) -> None:
    openai.answering(sse_reply([b'data: {"choices":\ndata:  [{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n']))
    (only,) = await openai.chunks(openai.request("text"))
    assert b"\n" not in only.raw
    assert orjson.loads(only.raw)["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("after", ["with choices", "alone", "absent", "cumulative"])
async def test_usage_is_found_wherever_it_is(openai: Rig, after: str) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    hello = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}
    events = {
        "with choices": [chunk([hello]), chunk([END], usage=usage)],
        "alone": [chunk([hello]), chunk([END]), chunk([], usage=usage)],
        "absent": [chunk([hello]), chunk([END])],
        "cumulative": [chunk([hello], usage={**usage, "completion_tokens": 1}), chunk([END], usage=usage)],
    }
    openai.answering(sse_reply(events[after]))
    found = [chunk.usage for chunk in await openai.chunks(openai.request("text")) if chunk.usage]
    assert found == ([] if after == "absent" else [Usage(3, 2)])


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}, Usage(9, 2, cached_tokens=4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 21,
                "completion_tokens_details": {"reasoning_tokens": 10},
            },
            Usage(9, 12, reasoning_tokens=10),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 15}, Usage(9, 6, reasoning_tokens=4)),
        ({"prompt_tokens": 9, "completion_tokens": None, "prompt_tokens_details": None}, Usage(9, 0)),
        (None, None),
    ],
)
async def test_dialects_of_usage_are_understood(openai: Rig, told: Any, usage: Usage | None) -> None:
    body = orjson.loads(OPENAI["text"][0])
    openai.answering(json_reply({**body, "usage": told}))
    assert (await openai.inference.chat(openai.request("text"))).usage == usage


async def test_reasoning_by_another_name_is_renamed(openai: Rig) -> None:
    assert openai.vendor is not None
    openai.vendor.reply = Reply([openai_whole({"content": "42", "reasoning": "Hm"})])
    openai.vendor.streamed_reply = sse_reply(openai_stream({"reasoning": "H"}, {"reasoning": "m"}, {"content": "42"}))
    whole = await openai.inference.chat(openai.request("text"))
    chunks = await openai.chunks(openai.request("text"))
    assert whole.body["choices"][0]["message"]["reasoning_content"] == "Hm"
    assert joined(chunks)["message"]["reasoning_content"] == "Hm"
    assert all(orjson.loads(chunk.raw) == chunk.body for chunk in chunks)


async def test_log_probabilities_and_what_is_unknown_come_through(openai: Rig) -> None:
    body = orjson.loads(OPENAI["text"][0])
    body["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]}
    openai.answering(json_reply({**body, "vendors_own": {"x": 1}}))
    assert (await openai.inference.chat(openai.request("text"))).body == {**body, "vendors_own": {"x": 1}}


async def test_an_error_code_inside_a_stream_is_its_status(openai: Rig) -> None:
    openai.answering(sse_reply([b'data: {"error":{"code":502,"message":"Provider returned error"}}\n\n']))
    with pytest.raises(Unavailable) as caught:
        await openai.chunks(openai.request("text"))
    assert caught.value.status == 502


async def test_a_stream_that_ends_with_done_alone_is_cut(openai: Rig) -> None:
    openai.answering(sse_reply([*openai_stream({"content": "Hi"})[:2], b"data: [DONE]\n\n"]))
    with pytest.raises(Unavailable):
        await openai.chunks(openai.request("text"))


async def test_the_messages_api_gets_its_headers_and_path(anthropic: Rig) -> None:
    anthropic.ready("text")
    await anthropic.inference.chat(anthropic.request("text"))
    assert anthropic.vendor is not None
    seen = anthropic.vendor.last
    assert seen.path == "/v1/messages"
    assert (seen.headers["x-api-key"], seen.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in seen.headers
    assert seen.body["system"] == [{"type": "text", "text": "Be brief."}]
    assert seen.body["stop_sequences"] == ["END"]


async def test_what_is_refused_never_reaches_the_vendor(anthropic: Rig) -> None:
    with pytest.raises(Refused):
        await anthropic.inference.chat(anthropic.request("text", n=2))
    with pytest.raises(Refused):
        await anthropic.chunks(anthropic.request("text", logprobs=True))
    assert anthropic.vendor is not None
    assert anthropic.vendor.seen == []


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
    ],
)
async def test_reasons_to_stop_are_translated(anthropic: Rig, stop_reason: str, finish_reason: str) -> None:
    assert anthropic.vendor is not None
    text = {"type": "text", "text": "x"}
    anthropic.vendor.reply = Reply([anthropic_whole(text, stop_reason=stop_reason)])
    anthropic.vendor.streamed_reply = sse_reply(anthropic_stream([text], stop_reason=stop_reason))
    whole = await anthropic.inference.chat(anthropic.request("text"))
    assert whole.body["choices"][0]["finish_reason"] == finish_reason
    assert joined(await anthropic.chunks(anthropic.request("text")))["finish_reason"] == finish_reason


async def test_parallel_calls_are_numbered_and_a_call_without_arguments_has_empty_ones(anthropic: Rig) -> None:
    def use(number: int) -> dict[str, Any]:
        return {"type": "tool_use", "id": f"c{number}", "name": "get_weather", "input": {}}

    text = [{"type": "text", "text": ""}, {"type": "text_delta", "text": "Both"}]
    fragment = {"type": "input_json_delta", "partial_json": '{"city":"Oslo"}'}
    anthropic.answering(sse_reply(anthropic_stream(text, [use(1)], [use(2), fragment], stop_reason="tool_use")))
    message = joined(await anthropic.chunks(anthropic.request("tools")))["message"]
    assert message["content"] == "Both"
    calls = [(call["id"], call["function"]["arguments"]) for call in message["tool_calls"]]
    assert calls == [("c1", "{}"), ("c2", '{"city":"Oslo"}')]


async def test_a_streamed_signature_can_be_replayed(anthropic: Rig) -> None:
    anthropic.ready("reasoning")
    message = joined(await anthropic.chunks(anthropic.request("reasoning")))["message"]
    await anthropic.inference.chat(ChatRequest("claude-x", [*said("Think"), message, *said("More")]))
    assert sent(anthropic)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "Six by seven", "signature": "sig"},
        {"type": "text", "text": "42"},
    ]


async def test_events_of_unknown_types_are_read_over(anthropic: Rig) -> None:
    events = anthropic_stream([{"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"}])
    events.insert(3, anthropic_event("news", of="the future"))
    anthropic.answering(sse_reply(events))
    assert joined(await anthropic.chunks(anthropic.request("text")))["message"]["content"] == "Hi"
