"""How an answer becomes items, and a chain of items a chat."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from handlers.core import responses
from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder, Deployment
from handlers.core.errors import Invalid
from handlers.core.responses import Begun, Ended, Event, Item, Response, ResponseAsk, Step
from providers.errors import Refused, Unavailable
from providers.inference.interface import Burst, ChatRequest, Chunk
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.repositories.responses import Page, Responses
from tests.unit.core.conftest import Clock, lose
from tests.unit.core.vendors import STOP, USAGE, Vendor, chunk, piece, spoken
from tests.unit.handlers.bench import FULL, make_call, make_services
from tests.unit.handlers.doubles import Purse

MODEL = replace(FULL, deployments=(Deployment("vendor", "theirs"),), context_tokens=100)
Calling = Callable[[Vendor], Call]


@pytest.fixture
def calling(database: Database, clock: Clock) -> Calling:
    """Calls whose responses are kept in a real database and answered by the vendor given."""
    catalog, numbers = CatalogHolder(Catalog([MODEL])), itertools.count()
    changes = {"catalog": catalog, "clock": clock, "new_id": lambda noun: f"{noun}-{next(numbers)}"}

    def call(vendor: Vendor) -> Call:
        services = make_services(vendor, responses=Responses(database), **changes)
        return make_call("ipop", services)

    return call


def message(text: str, role: str = "user") -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    part = {"type": kind, "text": text}
    return {"id": f"msg_{text}", "type": "message", "status": "completed", "role": role, "content": [part]}


def called(call_id: str) -> Item:
    head = {"id": f"fc_{call_id}", "type": "function_call", "status": "completed"}
    return {**head, "call_id": call_id, "name": "weather", "arguments": "{}"}


def output(call_id: str) -> Item:
    head = {"id": f"fco_{call_id}", "type": "function_call_output", "status": "completed"}
    return {**head, "call_id": call_id, "output": f"output {call_id}"}


def ask(*items: Item, **more: Any) -> ResponseAsk:
    return ResponseAsk(model=MODEL.id, items=list(items) or [message("hi")], **more)


async def events_of(asked: ResponseAsk, call: Call) -> list[Event]:
    return [event async for event in (await responses.stream(asked, call)).events]


def sent(vendor: Vendor) -> list[dict[str, Any]]:
    request = vendor.asked[-1]
    assert isinstance(request, ChatRequest)
    return list(request.messages)


def answered(**said: Any) -> Vendor:
    body = spoken("")
    body["choices"][0]["message"] = {"role": "assistant", **said}
    return Vendor("vendor", body=body)


def streamed(*deltas: str) -> Vendor:
    return Vendor("vendor", chunks=[*(chunk(delta) for delta in deltas), chunk(STOP, USAGE)])


def delta(**content: Any) -> Chunk:
    return Chunk(body={"id": "c", "choices": [{"index": 0, "delta": content, "finish_reason": None}]})


def tool_piece(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": arguments, **({"name": "weather"} if more else {})}, **more}


def ended(events: list[Event]) -> Response:
    last = events[-1]
    assert isinstance(last, Ended)
    return last.response


async def test_calls_made_in_one_go_are_one_message_with_their_outputs_behind(calling: Calling) -> None:
    vendor = answered(content="done")
    items = [message("hi"), message("wait", "assistant"), called("a"), called("b"), output("a"), output("b")]
    await responses.create(ask(*items, instructions=(message("brief", "system"),)), calling(vendor))
    roles = [said["role"] for said in sent(vendor)]
    assert roles == ["system", "user", "assistant", "tool", "tool"]
    assert [c["id"] for c in sent(vendor)[2]["tool_calls"]] == ["a", "b"]
    assert sent(vendor)[2]["content"] == "wait"
    assert sent(vendor)[3] == {"role": "tool", "tool_call_id": "a", "content": "output a"}


@pytest.mark.parametrize("items", [[called("a")], [output("a")], [output("a"), called("a")]])
async def test_calls_and_outputs_must_belong_together(calling: Calling, items: list[Item]) -> None:
    with pytest.raises(Invalid, match="function call a"):
        await responses.create(ask(*items), calling(answered(content="done")))


async def test_the_oldest_turns_are_let_go_of_only_where_the_caller_allows_it(calling: Calling) -> None:
    oldest = [message("word " * 40), called("a"), output("a"), message("word " * 40, "assistant")]
    items = [*oldest, message("newer"), message("word " * 20, "assistant"), message("last")]
    rules = (message("rules", "system"),)
    with pytest.raises(Invalid) as refused:
        await responses.create(ask(*items, instructions=rules), calling(answered(content="no")))
    assert refused.value.code == "context_length_exceeded"
    vendor = answered(content="yes")
    created = await responses.create(ask(*items, instructions=rules, truncate=True), calling(vendor))
    assert [said["role"] for said in sent(vendor)] == ["system", "user", "assistant", "user"]
    assert sent(vendor)[1]["content"] == "newer"
    assert len(created.response.input) == len(items)
    await responses.create(ask(*items, truncate=True, options={"max_completion_tokens": 80}), calling(vendor))
    assert [said["content"] for said in sent(vendor)] == ["last"]


async def test_text_reasoning_refusal_and_calls_are_items_of_their_own(calling: Calling) -> None:
    function = {"name": "weather", "arguments": '{"a":1}'}
    vendor = answered(
        content="text", reasoning_content="why", refusal="no", tool_calls=[{"id": "call_1", "function": function}]
    )
    created = await responses.create(ask(show_reasoning=True), calling(vendor))
    reasoning, spoke, call = created.response.output
    assert reasoning["summary"] == [{"type": "summary_text", "text": "why"}]
    assert [part["type"] for part in spoke["content"]] == ["output_text", "refusal"]
    assert (call["call_id"], call["arguments"]) == ("call_1", '{"a":1}')
    hidden = await responses.create(ask(), calling(vendor))
    assert [item["type"] for item in hidden.response.output] == ["message", "function_call"]
    assert created.response.text == "text"


async def test_calls_whose_pieces_mix_come_out_whole(calling: Calling) -> None:
    pieces = [
        delta(tool_calls=[tool_piece(0, "", id="call_1")]),
        delta(tool_calls=[tool_piece(1, '{"b"', id="call_2")]),
        delta(tool_calls=[tool_piece(0, '{"a":1}')]),
        delta(tool_calls=[tool_piece(1, ":2}")]),
        delta(tool_calls=[tool_piece(1, "{}", id="call_3")]),
    ]
    vendor = Vendor("vendor", chunks=[*pieces, chunk(STOP, USAGE)])
    events = await events_of(ask(), calling(vendor))
    calls = ended(events).output
    assert [(c["call_id"], c["arguments"]) for c in calls] == [
        ("call_1", '{"a":1}'),
        ("call_2", '{"b":2}'),
        ("call_3", "{}"),
    ]
    for index, call in enumerate(calls):
        deltas = [e.delta for e in events if isinstance(e, Step) and e.act == "delta" and e.index == index]
        assert "".join(deltas) == call["arguments"]


async def test_every_item_and_part_that_begins_ends_once(calling: Calling) -> None:
    vendor = streamed('{"index":0,"delta":{"reasoning_content":"why"}}', piece("a"), piece("b"))
    events = await events_of(ask(show_reasoning=True), calling(vendor))
    acts = [(event.act, event.index) for event in events if isinstance(event, Step)]
    assert acts == [
        ("item_added", 0), ("part_added", 0), ("delta", 0), ("part_done", 0), ("item_done", 0),
        ("item_added", 1), ("part_added", 1), ("delta", 1), ("delta", 1), ("part_done", 1), ("item_done", 1),
    ]  # fmt: skip
    begun = events[0]
    assert isinstance(begun, Begun)
    assert (begun.response.status, begun.response.output) == ("in_progress", ())
    assert ended(events).usage == USAGE


async def test_a_refusal_before_the_first_word_is_raised_and_leaves_nothing(
    calling: Calling, database: Database
) -> None:
    call = calling(Vendor("vendor", failure=Refused("no")))
    for make in (responses.create, responses.stream):
        with pytest.raises(Invalid):
            await make(ask(), call)
    assert (await responses.list_responses(Page(), call))[0] == []


async def test_a_failure_in_mid_stream_is_told_and_kept_with_what_was_said(calling: Calling) -> None:
    vendor = Vendor("vendor", chunks=[chunk(piece("half"))], failure_later=Unavailable("gone"))
    call = calling(vendor)
    response = ended(await events_of(ask(), call))
    assert (response.status, response.text) == ("failed", "half")
    assert response.error == {"code": "upstream_unavailable", "message": "gone"}
    assert call.record.error_code == "upstream_unavailable"
    assert await responses.get(response.id, call) == response
    with pytest.raises(Invalid, match="failed"):
        await responses.create(ask(previous_response_id=response.id), call)


async def test_a_reader_that_leaves_closes_the_vendors_stream_and_leaves_a_cancelled_response(
    calling: Calling,
) -> None:
    vendor = streamed(piece("one"), piece("two"), piece("three"))
    call = calling(vendor)
    running = await responses.stream(ask(), call)
    begun = await anext(running.events)
    assert isinstance(begun, Begun)
    while not (isinstance(event := await anext(running.events), Step) and event.act == "delta"):
        pass
    await running.events.aclose()  # type: ignore[attr-defined]
    assert vendor.closed == 1
    kept = await responses.get(begun.response.id, call)
    assert (kept.status, kept.text, kept.output[0]["status"]) == ("cancelled", "one", "incomplete")
    assert kept.usage is not None
    purse = call.services.quota
    assert isinstance(purse, Purse)
    assert purse.settled == [(kept.usage.total_tokens, call.record.cost_micros)]


async def test_a_cancelled_response_stops_its_stream(calling: Calling, clock: Clock) -> None:
    vendor = streamed(piece("one"), piece("two"), piece("three"))
    call = calling(vendor)
    events: list[Event] = []
    async for event in (await responses.stream(ask(), call)).events:
        events.append(event)
        if isinstance(event, Begun):
            await responses.cancel(event.response.id, call)
        if isinstance(event, Step) and event.act == "delta":
            clock.now += 2
    response = ended(events)
    assert (response.status, response.text) == ("cancelled", "one")
    assert vendor.closed == 1
    assert await responses.get(response.id, call) == response
    assert await responses.cancel(response.id, call) == response


async def test_what_is_paid_for_is_kept_also_when_its_client_hangs_up(calling: Calling) -> None:
    """A client that hangs up while the vendor is asked cancels all; once there is an answer it is let be."""
    vendor = answered(content="paid")
    asked_by_then: list[int] = []
    call = replace(calling(vendor), outlive_client=lambda: asked_by_then.append(len(vendor.asked)))
    created = await responses.create(ask(), call)
    assert asked_by_then == [1]
    assert await responses.get(created.response.id, call) == created.response


async def test_a_cancelled_response_does_not_wait_for_a_vendor_that_says_nothing(calling: Calling) -> None:
    class Silent(Vendor):
        async def _stream(self, request: Any) -> AsyncIterator[Burst]:
            async for one in super()._stream(request):
                yield one
                await asyncio.Event().wait()

    call = calling(Silent("vendor", chunks=[chunk(piece("one")), chunk(STOP, USAGE)]))
    events: list[Event] = []
    async with asyncio.timeout(60):
        async for event in (await responses.stream(ask(), call)).events:
            events.append(event)
            if isinstance(event, Begun):
                await responses.cancel(event.response.id, call)
    assert (ended(events).status, ended(events).text) == ("cancelled", "one")


async def test_a_stream_that_nobody_begins_to_read_is_paid_and_left_cancelled(calling: Calling) -> None:
    vendor = streamed(piece("one"))
    call = calling(vendor)
    running = await responses.stream(ask(), call)
    await running.events.aclose()  # type: ignore[attr-defined]
    assert vendor.closed == 1
    (kept,) = (await responses.list_responses(Page(), call))[0]
    assert kept.status == "cancelled"


async def test_a_stream_that_cannot_be_kept_fails_before_its_first_event_and_is_paid(
    calling: Calling, database: Database
) -> None:
    call = calling(streamed(piece("one")))
    lose(database)
    with pytest.raises(StorageUnavailable):
        await responses.stream(ask(), call)
    purse = call.services.quota
    assert isinstance(purse, Purse)
    assert len(purse.settled) == 1


async def test_a_response_that_is_not_to_be_kept_touches_no_storage(calling: Calling, database: Database) -> None:
    lose(database)
    call = calling(streamed(piece("one")))
    assert ended(await events_of(ask(store=False), call)).text == "one"
    assert (await responses.create(ask(store=False), calling(answered(content="two")))).response.text == "two"
