from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from handlers.core import chat
from handlers.core.asks import ChatAsk, TextAsk
from handlers.core.call import Call
from handlers.core.errors import (
    CoreError,
    Invalid,
    NotFound,
    PaymentRequired,
    RateLimited,
    TooLarge,
    Unavailable,
    UpstreamFailed,
)
from handlers.wire.openai_chat import Style, frames
from providers import errors as vendor_errors
from providers.inference.interface import Usage, each
from tests.unit.core.vendors import STOP, Vendor, chunk, piece, spoken
from tests.unit.handlers.bench import make_call, make_services, said
from tests.unit.handlers.doubles import Purse

ASK = ChatAsk(models=("openai/gpt-5.5",), messages=said("hi"))
CHUNKS = [chunk(piece("hel")), chunk(piece("lo")), chunk(STOP)]
LAST = chunk("", Usage(10, 20))


def call_with(*vendors: Vendor, purse: Purse | None = None) -> Call:
    return make_call("maniac", make_services(*vendors, quota=purse or Purse()))


async def drained(stream: chat.Stream) -> list[Any]:
    return [chunk.body async for burst in stream.bursts for chunk in each(burst)]


async def test_an_answer_is_recorded_charged_and_settled() -> None:
    purse = Purse()
    call = call_with(Vendor("openai"), purse=purse)
    answer = await chat.complete(ASK, call)
    cost = 6 * 5 + 4 * 0.5 + 20 * 30
    record = call.record
    assert answer.body["model"] == "openai/gpt-5.5"
    assert (record.model, record.provider, record.upstream_model) == ("openai/gpt-5.5", "openai", "gpt-5.5")
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (10, 20, 4)
    assert record.cost_micros == answer.cost_micros == cost
    assert (record.finish_reason, record.first_byte_us, record.streamed) == ("stop", 250_000, False)
    assert purse.settled == [(30, cost)]


async def test_a_vendor_that_counts_nothing_is_counted_for() -> None:
    said_twice = [spoken("hello"), spoken("hello hello hello")]
    first, second = [
        await chat.complete(ASK, call_with(Vendor("openai", body=body, usage=None))) for body in said_twice
    ]
    assert first.usage.counted_by == second.usage.counted_by == "concordat"
    assert first.usage.prompt_tokens == second.usage.prompt_tokens > 0
    assert 0 < first.usage.completion_tokens < second.usage.completion_tokens


async def test_the_first_deployment_that_answers_is_taken() -> None:
    down = Vendor("openai", failure=vendor_errors.Unavailable("down"))
    call = call_with(down, Vendor("openrouter"))
    answer = await chat.complete(ASK, call)
    assert answer.attempt.number == 1
    assert call.record.provider == "openrouter"
    assert call.record.upstream_model == "openai/gpt-5.5"


async def test_a_refusal_is_not_taken_to_another_vendor() -> None:
    spare = Vendor("openrouter")
    refusal = vendor_errors.Refused("n is too large", param="n", code="integer_above_max_value")
    with pytest.raises(Invalid) as caught:
        await chat.complete(ASK, call_with(Vendor("openai", failure=refusal), spare))
    assert (caught.value.param, caught.value.code) == ("n", "integer_above_max_value")
    assert spare.asked == []


@pytest.mark.parametrize(
    ("failure", "error", "status", "code"),
    [
        (vendor_errors.Throttled("slow", retry_after_seconds=9), RateLimited, 429, "rate_limit_exceeded"),
        (vendor_errors.Refused("no", status=422), Invalid, 400, "invalid_request"),
        (vendor_errors.Refused("no", status=404), NotFound, 404, "model_not_found"),
        (vendor_errors.Refused("no", status=413), TooLarge, 413, "too_large"),
        (vendor_errors.Unauthorized("bad key"), UpstreamFailed, 502, "upstream_failed"),
        (vendor_errors.BrokenAnswer("html"), UpstreamFailed, 502, "upstream_failed"),
        (vendor_errors.Unavailable("down"), Unavailable, 503, "upstream_unavailable"),
        (vendor_errors.TimedOut("late"), Unavailable, 503, "upstream_timeout"),
        (vendor_errors.Saturated("full"), Unavailable, 503, "capacity_unavailable"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_vendors_failure_is_said_in_our_words_and_costs_nothing(
    failure: vendor_errors.ProviderError, error: type[CoreError], status: int, code: str, streamed: bool
) -> None:
    purse = Purse()
    call = call_with(Vendor("openai", failure=failure), purse=purse)
    with pytest.raises(error) as caught:
        await (chat.stream if streamed else chat.complete)(ASK, call)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.headers.get("Retry-After") == {"slow": "9", "full": "1"}.get(failure.message)
    assert purse.settled == [(0, 0)]


async def test_a_stream_is_relayed_as_it_came_under_the_public_name() -> None:
    call = call_with(Vendor("openai", chunks=[*CHUNKS, LAST]))
    stream = await chat.stream(ASK, call)
    sent = [frame async for frame in frames(stream, Style(include_usage=False))]
    head = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"openai/gpt-5.5","choices":['
    assert sent == [
        *(head + choice.encode() + b"]}\n\n" for choice in (piece("hel"), piece("lo"), STOP)),
        b"data: [DONE]\n\n",
    ]
    assert call.record.cost_micros == 10 * 5 + 20 * 30
    assert (call.record.finish_reason, call.record.streamed) == ("stop", True)


async def test_a_text_that_looks_like_a_model_name_is_left_alone() -> None:
    tricky = piece('\\"model\\":\\"their-name\\"')
    stream = await chat.stream(ASK, call_with(Vendor("openai", chunks=[chunk(tricky), chunk(STOP)])))
    sent = [frame async for frame in frames(stream, Style(include_usage=False))]
    assert tricky.encode() in sent[0]
    assert sent[0].count(b"openai/gpt-5.5") == 1


async def test_usage_inside_a_chunk_with_text_is_taken_out_and_sent_at_the_end() -> None:
    chunks = [chunk(piece("hello"), Usage(10, 1)), chunk(STOP, Usage(10, 20))]
    stream = await chat.stream(ASK, call_with(Vendor("openai", chunks=chunks)))
    sent = [frame async for frame in frames(stream, Style(include_usage=True))]
    assert [b'"usage"' in frame for frame in sent] == [False, False, True, False]
    assert b'"total_tokens":30' in sent[2]


async def test_a_stream_that_counts_nothing_is_counted_for() -> None:
    call = call_with(Vendor("openai", chunks=CHUNKS))
    stream = await chat.stream(ASK, call)
    await drained(stream)
    assert stream.meter.usage.counted_by == "concordat"
    assert call.record.prompt_tokens > 0
    assert call.record.completion_tokens == 1


async def test_a_client_that_hangs_up_pays_for_what_was_sent_and_the_vendor_is_told() -> None:
    purse, vendor = Purse(), Vendor("openai", chunks=[*CHUNKS, LAST])
    call = call_with(vendor, purse=purse)
    events = frames(await chat.stream(ASK, call), Style(include_usage=False))
    await anext(events)
    await events.aclose()  # type: ignore[attr-defined]
    assert vendor.closed == 1
    assert call.record.completion_tokens == 1
    assert call.record.finish_reason is None
    assert [tokens for tokens, _ in purse.settled] == [call.record.prompt_tokens + 1]


async def test_a_stream_that_breaks_later_is_an_error_and_charged() -> None:
    purse = Purse()
    vendor = Vendor("openai", chunks=CHUNKS[:2], failure_later=vendor_errors.Unavailable("cut"))
    call = call_with(vendor, purse=purse)
    stream = await chat.stream(ASK, call)
    with pytest.raises(Unavailable):
        await drained(stream)
    assert call.record.completion_tokens > 0
    assert purse.settled[0][0] == call.record.prompt_tokens + call.record.completion_tokens


async def test_an_empty_stream_is_a_vendors_fault() -> None:
    with pytest.raises(UpstreamFailed):
        await chat.stream(ASK, call_with(Vendor("openai")))


async def test_who_may_not_spend_is_stopped_before_the_vendor() -> None:
    vendor = Vendor("openai")
    call = call_with(vendor, purse=Purse(refuse=PaymentRequired("no credits left")))
    with pytest.raises(PaymentRequired):
        await chat.complete(ASK, call)
    assert vendor.asked == []


async def test_the_estimate_is_the_prompt_and_all_answers_that_are_allowed() -> None:
    purse = Purse()
    ask = ChatAsk(models=("openai/gpt-5.5",), messages=said("x" * 300), options={"max_tokens": 50, "n": 2})
    await chat.complete(ask, call_with(Vendor("openai"), purse=purse))
    await chat.complete(replace(ask, options={}), call_with(Vendor("openai"), purse=purse))
    assert purse.admitted == [104 + 2 * 50, 104 + 104 + 64]


async def test_the_estimate_counts_an_answer_to_every_prompt_of_a_text_completion() -> None:
    purse = Purse()
    body = {"id": "t", "object": "text_completion", "created": 1, "choices": [{"index": 0, "text": "x"}]}
    ask = TextAsk(models=("openai/gpt-5.5",), prompts=("x" * 30, "x" * 30), options={"max_tokens": 50, "n": 2})
    await chat.complete(ask, call_with(Vendor("openai", body=body), purse=purse))
    await chat.complete(replace(ask, options={}), call_with(Vendor("openai", body=body), purse=purse))
    assert purse.admitted == [20 + 2 * 2 * 50, 20 + 2 * (10 + 64)]


@pytest.mark.parametrize(("cents", "is_enough"), [("0.7", True), ("0.5", False)])
async def test_a_budget_is_for_the_answers_to_all_prompts(cents: str, is_enough: bool) -> None:
    """Two answers of 100 tokens are 0.6 cents."""
    body = {"id": "t", "object": "text_completion", "created": 1, "choices": [{"index": 0, "text": "x"}]}
    vendor = Vendor("openai", body=body)
    ask = TextAsk(
        models=("openai/gpt-5.5",),
        prompts=("a", "b"),
        options={"max_tokens": 100},
        max_cost_usd=Decimal(cents) / 100,
    )
    if is_enough:
        await chat.complete(ask, call_with(vendor))
    else:
        with pytest.raises(Invalid, match="max_cost_usd"):
            await chat.complete(ask, call_with(vendor))
    assert bool(vendor.asked) is is_enough


async def test_every_prompt_of_a_text_completion_is_charged() -> None:
    body = {"id": "t", "object": "text_completion", "created": 1, "choices": [{"index": 0, "text": "x"}]}
    vendor = Vendor("openai", body=body)
    answer = await chat.complete(TextAsk(models=("openai/gpt-5.5",), prompts=("a", "b")), call_with(vendor))
    assert [getattr(request, "prompt", None) for request in vendor.asked] == ["a", "b"]
    assert answer.usage == Usage(20, 40, cached_tokens=8)
    assert answer.cost_micros == 2 * (6 * 5 + 2 + 20 * 30)


async def test_options_reach_the_vendor_as_they_are() -> None:
    vendor = Vendor("openai")
    ask = ChatAsk(models=("openai/gpt-5.5",), messages=said("hi"), options={"top_k": 3, "anything": {"a": 1}})
    await chat.complete(ask, call_with(vendor))
    assert vendor.asked[0].options == {"top_k": 3, "anything": {"a": 1}}
    assert vendor.asked[0].model == "gpt-5.5"


async def test_a_stream_that_is_left_is_charged_though_its_vendor_fails_to_let_go() -> None:
    purse = Purse()
    vendor = Vendor("openai", chunks=CHUNKS, failure_closing=vendor_errors.Unavailable("broken"))
    call = call_with(vendor, purse=purse)
    stream = await chat.stream(ASK, call)
    await anext(stream.bursts)
    with pytest.raises(Unavailable):
        await stream.bursts.aclose()  # type: ignore[attr-defined]
    assert vendor.closed == 1
    assert call.record.completion_tokens > 0
    assert len(purse.settled) == 1
