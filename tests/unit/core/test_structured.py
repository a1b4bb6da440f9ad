from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from handlers.core import chat
from handlers.core.asks import ChatAsk
from handlers.core.errors import Invalid, UpstreamFailed
from providers.inference.interface import ChatRequest, Chunk, Completion, TextRequest, each
from tests.unit.core.vendors import STOP, USAGE, Vendor, chunk, piece, spoken
from tests.unit.handlers.bench import make_call, make_services, said
from tests.unit.handlers.doubles import Purse

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
GOOD, BAD, PROSE = '{"age":36}', '{"age":"old"}', "I am 36."


def wanting(schema: Any, strict: bool = True, **more: Any) -> ChatAsk:
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": strict}}
    return ChatAsk(models=("openai/gpt-5.5",), messages=said("Who?"), options={"response_format": wanted}, **more)


ASK = wanting(SCHEMA)


@dataclass
class Learner(Vendor):
    """Says one thing after the other; the last one again and again."""

    says: list[str] = field(default_factory=list)
    changed: dict[str, Any] = field(default_factory=dict)

    def _answer(self, request: ChatRequest | TextRequest) -> Completion:
        self.asked.append(request)
        body = spoken(self.says.pop(0) if len(self.says) > 1 else self.says[0])
        body["choices"][0] |= self.changed
        return Completion(body, USAGE)


@dataclass
class Caller(Vendor):
    """Calls the tool `save` with one text of arguments after the other."""

    calls: list[str] = field(default_factory=list)

    def _answer(self, request: ChatRequest | TextRequest) -> Completion:
        self.asked.append(request)
        body = spoken("")
        body["choices"][0] |= calling(self.calls.pop(0))
        return Completion(body, USAGE)


async def answer(vendor: Vendor, ask: ChatAsk = ASK, purse: Purse | None = None) -> chat.Answer:
    return await chat.complete(ask, make_call("maniac", make_services(vendor, quota=purse or Purse())))


async def test_an_answer_that_fits_is_given_as_it_is() -> None:
    vendor = Learner("openai", says=[GOOD])
    given = await answer(vendor)
    assert given.body["choices"][0]["message"]["content"] == GOOD
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("wrong", [BAD, PROSE])
async def test_a_model_that_is_told_what_is_wrong_may_mend_it(wrong: str) -> None:
    vendor, purse = Learner("openai", says=[wrong, GOOD]), Purse()
    given = await answer(vendor, purse=purse)
    assert given.body["choices"][0]["message"]["content"] == GOOD
    first, second = vendor.asked
    assert isinstance(first, ChatRequest)
    assert isinstance(second, ChatRequest)
    *before, faulty, correction = second.messages
    assert before == list(first.messages)
    assert faulty == {"role": "assistant", "content": wrong}
    assert ("age" if wrong == BAD else "not JSON") in correction["content"]
    assert second.options == first.options
    assert given.usage.total_tokens == 2 * USAGE.total_tokens
    assert purse.settled == [(given.usage.total_tokens, given.cost_micros)]


async def test_a_model_that_does_not_mend_it_has_failed_and_is_paid() -> None:
    vendor, purse = Learner("openai", says=[BAD]), Purse()
    with pytest.raises(UpstreamFailed) as caught:
        await answer(vendor, purse=purse)
    assert caught.value.code == "schema_mismatch"
    assert len(vendor.asked) == 2
    assert purse.settled[0][0] == 2 * USAGE.total_tokens


async def test_a_second_try_keeps_the_promise_about_the_cost() -> None:
    vendor = Learner("openai", says=[BAD, GOOD])
    cost = Decimal(6 * 5 + 2 + 20 * 30) / 1_000_000
    with pytest.raises(UpstreamFailed):
        await answer(vendor, replace(ASK, max_cost_usd=cost, options={**ASK.options, "max_tokens": 15}))
    assert len(vendor.asked) == 1


@pytest.mark.parametrize("changed", [{"finish_reason": "length"}, {"finish_reason": "content_filter"}])
async def test_an_answer_that_is_not_whole_is_not_held_to_the_schema(changed: dict[str, Any]) -> None:
    vendor = Learner("openai", says=['{"age":'], changed=changed)
    assert (await answer(vendor)).body["choices"][0]["finish_reason"] == changed["finish_reason"]


async def test_a_schema_that_is_not_strict_is_the_vendors_affair() -> None:
    vendor = Learner("openai", says=[BAD])
    await answer(vendor, wanting(SCHEMA, strict=False))
    assert len(vendor.asked) == 1


@pytest.mark.parametrize(
    "schema", [{"type": "nonsense"}, {"$ref": "http://127.0.0.1:9/schema.json"}, {"$ref": "#/$defs/missing"}]
)
async def test_a_strict_schema_that_is_none_is_refused_before_the_vendor_is_asked(schema: Any) -> None:
    vendor = Learner("openai", says=[GOOD])
    with pytest.raises(Invalid) as caught:
        await answer(vendor, wanting(schema))
    assert caught.value.param == "response_format"
    assert vendor.asked == []


async def test_a_schema_of_several_resources_is_left_to_the_vendor() -> None:
    schema = {"$defs": {"a": {"$id": "urn:a", "type": "integer"}}, "$ref": "urn:a"}
    assert await answer(Learner("openai", says=[PROSE]), wanting(schema))


async def test_a_stream_that_does_not_fit_ends_with_an_error_and_not_as_if_it_were_whole() -> None:
    vendor = Vendor("openai", chunks=[chunk(piece("prose")), chunk(STOP), Chunk(body={"choices": []}, usage=USAGE)])
    purse = Purse()
    stream = await chat.stream(ASK, make_call("maniac", make_services(vendor, quota=purse)))
    seen: list[Any] = []
    with pytest.raises(UpstreamFailed) as caught:
        await drain(stream, seen)
    assert caught.value.code == "schema_mismatch"
    assert [(one["delta"].get("content"), one["finish_reason"]) for one in seen] == [("prose", None)]
    assert purse.settled == [(USAGE.total_tokens, stream.meter.cost_micros)]


async def drain(stream: chat.Stream, seen: list[Any]) -> None:
    async for burst in stream.bursts:
        seen += [one.body["choices"][0] for one in each(burst)]


async def test_a_stream_that_fits_goes_out_as_it_came() -> None:
    chunks = [chunk(piece('{\\"age\\":')), chunk(piece("36}")), chunk(STOP)]
    stream = await chat.stream(ASK, make_call("maniac", make_services(Vendor("openai", chunks=chunks))))
    assert [one async for burst in stream.bursts for one in each(burst)] == chunks


def calling(arguments: str) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": "save", "arguments": arguments}}
    return {"finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [call]}}


def with_tool(strict: bool = True, parameters: Any = SCHEMA) -> ChatAsk:
    tool = {"type": "function", "function": {"name": "save", "parameters": parameters, "strict": strict}}
    return ChatAsk(models=("openai/gpt-5.5",), messages=said("Save it."), options={"tools": [tool]})


async def test_a_strict_tool_is_called_with_arguments_that_fit_or_once_more() -> None:
    vendor = Caller("openai", calls=[BAD, GOOD])
    given = await answer(vendor, with_tool())
    assert given.body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == GOOD
    *_, faulty, result = vendor.asked[1].messages  # type: ignore[union-attr]
    assert faulty["tool_calls"][0]["function"]["arguments"] == BAD
    assert (result["role"], result["tool_call_id"]) == ("tool", "call_1")
    assert "age" in result["content"]
    with pytest.raises(UpstreamFailed) as caught:
        await answer(Caller("openai", calls=[BAD, BAD]), with_tool())
    assert caught.value.code == "schema_mismatch"
    assert await answer(Caller("openai", calls=[BAD]), with_tool(strict=False))


async def test_a_strict_tool_without_a_schema_is_refused_before_the_vendor_is_asked() -> None:
    vendor = Caller("openai", calls=[GOOD])
    with pytest.raises(Invalid) as caught:
        await answer(vendor, with_tool(parameters={"type": "nonsense"}))
    assert caught.value.param == "tools"
    assert vendor.asked == []


async def test_a_streamed_call_of_a_strict_tool_is_held_to_its_schema() -> None:
    begin = '{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"save","arguments":"{}"}}]},'
    chunks = [chunk(begin + '"finish_reason":null}'), chunk('{"index":0,"delta":{},"finish_reason":"tool_calls"}')]
    stream = await chat.stream(with_tool(), make_call("maniac", make_services(Vendor("openai", chunks=chunks))))
    with pytest.raises(UpstreamFailed, match="arguments of save"):
        [burst async for burst in stream.bursts]


async def test_the_simulator_keeps_to_a_strict_schema() -> None:
    ask = replace(ASK, models=("simulator/chat",))
    given = await chat.complete(ask, make_call("maniac"))
    assert '"age"' in given.body["choices"][0]["message"]["content"]
