from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from handlers.core import chat
from handlers.core.answer_cache import AnswerCache, AnswersInMemory, Kept
from handlers.core.asks import ChatAsk, Steering
from handlers.core.call import Call
from handlers.core.catalog import Catalog, Deployment
from handlers.core.errors import PaymentRequired, UpstreamFailed
from handlers.core.services import Services
from providers import errors as vendor_errors
from providers.inference.interface import Burst, ChatRequest, Completion, Usage, each
from tests.unit.core.conftest import Clock
from tests.unit.core.vendors import STOP, Vendor, chunk, piece
from tests.unit.handlers.bench import make_call, make_services, said
from tests.unit.handlers.doubles import Purse

ASK = ChatAsk(models=("openai/gpt-5.5",), messages=said("hi"), steering=Steering(cache="use"))
CHUNKS = [chunk(piece("hel")), chunk(piece("lo")), chunk(STOP), chunk("", Usage(10, 20))]


def again(services: Services, project: str = "project-1") -> Call:
    call = make_call("ipop", services)
    return replace(call, who=replace(call.caller, project_id=project))


async def test_the_same_request_is_answered_from_memory_and_for_nothing() -> None:
    vendor, purse = Vendor("openai"), Purse()
    services = make_services(vendor, quota=purse)
    first = await chat.complete(ASK, again(services))
    call = again(services)
    second = await chat.complete(ASK, call)
    assert len(vendor.asked) == 1
    assert {**second.body, "id": first.body["id"]} == first.body
    assert second.body["id"] != first.body["id"]
    assert (first.meter.cached, second.meter.cached) == (False, True)
    assert second.usage == first.usage
    assert (second.cost_micros, call.record.cost_micros) == (0, 0)
    assert (call.record.provider, call.record.finish_reason) == ("openai", "stop")
    assert call.record.metadata == {"cache_hit": True}
    assert purse.settled[1] == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        replace(ASK, messages=said("ho")),
        replace(ASK, options={"temperature": 0}),
        replace(ASK, steering=Steering(cache="bypass")),
        replace(ASK, steering=Steering()),
    ],
    ids=["other messages", "other options", "bypass", "default"],
)
async def test_another_request_asks_the_vendor(other: ChatAsk) -> None:
    vendor = Vendor("openai")
    services = make_services(vendor)
    await chat.complete(ASK, again(services))
    await chat.complete(other, again(services))
    assert len(vendor.asked) == 2


async def test_another_project_asks_the_vendor() -> None:
    vendor = Vendor("openai")
    services = make_services(vendor)
    for project in ("project-1", "project-2"):
        await chat.complete(ASK, again(services, project))
    assert len(vendor.asked) == 2


async def test_the_operator_says_what_default_means() -> None:
    vendor = Vendor("openai")
    cache = AnswerCache(AnswersInMemory(2**20, 60, Clock()), by_default=True)
    services = make_services(vendor, answer_cache=cache)
    for mode in ("default", "default", "bypass"):
        await chat.complete(replace(ASK, steering=Steering(cache=mode)), again(services))
    assert len(vendor.asked) == 2


async def drained(stream: chat.Stream) -> list[Any]:
    return [chunk.body for chunk in [chunk async for burst in stream.bursts for chunk in each(burst)]]


async def test_a_stream_is_replayed_with_the_same_deltas() -> None:
    vendor = Vendor("openai", chunks=CHUNKS)
    services = make_services(vendor)
    first = await chat.stream(ASK, again(services))
    bodies = await drained(first)
    second = await chat.stream(ASK, again(services))
    replayed = await drained(second)
    assert len(vendor.asked) == 1
    assert [body["choices"] for body in replayed] == [body["choices"] for body in bodies]
    assert len({body["id"] for body in replayed}) == 1
    assert replayed[0]["id"] != bodies[0]["id"]
    assert (second.meter.cached, second.meter.usage, second.meter.cost_micros) == (True, Usage(10, 20), 0)


async def test_a_stream_that_broke_is_not_kept() -> None:
    vendor = Vendor("openai", chunks=CHUNKS[:2], failure_later=vendor_errors.BrokenAnswer("cut"))
    services = make_services(vendor)
    for _ in range(2):
        with pytest.raises(UpstreamFailed):
            await drained(await chat.stream(ASK, again(services)))
    assert len(vendor.asked) == 2


async def test_a_stream_that_nobody_read_to_its_end_is_not_kept() -> None:
    vendor = Vendor("openai", chunks=CHUNKS)
    services = make_services(vendor)
    stream = await chat.stream(ASK, again(services))
    await anext(stream.bursts)
    await stream.bursts.aclose()  # type: ignore[attr-defined]
    assert not (await chat.stream(ASK, again(services))).meter.cached


async def test_a_stream_that_was_closed_before_its_first_read_leaves_nobody_waiting() -> None:
    vendor, purse = Vendor("openai", chunks=CHUNKS), Purse()
    services = make_services(vendor, quota=purse)
    unread = await chat.stream(ASK, again(services))
    await unread.bursts.aclose()  # type: ignore[attr-defined]
    assert vendor.closed == 1
    assert len(purse.settled) == 1
    async with asyncio.timeout(60):
        read = await chat.stream(ASK, again(services))
        assert len([chunk async for burst in read.bursts for chunk in each(burst)]) == 3
    assert len(vendor.asked) == 2


async def test_who_has_no_credits_gets_no_kept_answer_either() -> None:
    vendor, purse = Vendor("openai"), Purse()
    services = make_services(vendor, quota=purse)
    await chat.complete(ASK, again(services))
    purse.refuse = PaymentRequired("no credits left")
    with pytest.raises(PaymentRequired):
        await chat.complete(ASK, again(services))


@dataclass
class Slow(Vendor):
    """Answers when told to, or fails as often as it has `failures`."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    failures: list[vendor_errors.ProviderError] = field(default_factory=list)

    async def chat(self, request: ChatRequest) -> Completion:
        completion = self._answer(request)
        self.begun.set()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        return completion

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Burst]:
        self.asked.append(request)
        self.begun.set()
        await self.gate.wait()
        for one in CHUNKS:
            yield [one]


async def started(vendor: Slow, *tasks: asyncio.Task[Any]) -> None:
    """Once the vendor has been asked by one and the others have had their turns."""
    await vendor.begun.wait()
    for _ in tasks:
        await asyncio.sleep(0)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_call_in_flight_is_joined(streamed: bool) -> None:
    vendor = Slow("openai")
    services = make_services(vendor)

    async def ask() -> bool:
        if streamed:
            stream = await chat.stream(ASK, again(services))
            await drained(stream)
            return stream.meter.cached
        return (await chat.complete(ASK, again(services))).meter.cached

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask()) for _ in range(3)]
        await started(vendor, *tasks)
        vendor.gate.set()
    assert sorted(task.result() for task in tasks) == [False, True, True]
    assert len(vendor.asked) == 1


async def test_when_the_joined_call_fails_another_asks_for_itself() -> None:
    vendor = Slow("openai", failures=[vendor_errors.BrokenAnswer("html")])
    services = make_services(vendor)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(chat.complete(ASK, again(services)))) for _ in range(3)]
        await started(vendor, *tasks)
        vendor.gate.set()
    assert sorted(task.result() for task in tasks) == ["anew", "failed", "kept"]
    assert len(vendor.asked) == 2


async def outcome(asking: Any) -> str:
    try:
        answer = await asking
    except UpstreamFailed:
        return "failed"
    return "kept" if answer.meter.cached else "anew"


async def test_who_hangs_up_leaves_the_question_to_those_who_wait() -> None:
    vendor = Slow("openai")
    services = make_services(vendor)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(chat.complete(ASK, again(services)))
        await started(vendor)
        second = group.create_task(chat.complete(ASK, again(services)))
        await asyncio.sleep(0)
        first.cancel()
        vendor.gate.set()
    assert not second.result().meter.cached
    assert len(vendor.asked) == 2


async def test_a_kept_answer_outlasts_a_catalog_that_weighs_its_deployments_anew() -> None:
    vendor = Vendor("openai")
    services = make_services(vendor)
    await chat.complete(ASK, again(services))
    catalog = services.catalog.current
    heavier = tuple(replace(place, weight=5) for place in catalog.models["openai/gpt-5.5"].deployments)
    reloaded = [replace(catalog.models["openai/gpt-5.5"], deployments=heavier)]
    services.catalog.current = Catalog(reloaded)
    assert (await chat.complete(ASK, again(services))).meter.cached


def kept(size: int) -> Kept:
    return Kept(Deployment("openai", "gpt"), (b"x" * (size - 100),), Usage(1, 1), "stop")


def test_answers_hold_good_for_a_time(clock: Clock) -> None:
    answers = AnswersInMemory(10_000, 60, clock)
    answers.put(b"a", kept(1000))
    clock.now += 59
    assert answers.get(b"a")
    clock.now += 1
    assert answers.get(b"a") is None


def test_memory_is_bounded_and_the_answer_least_asked_for_gives_way(clock: Clock) -> None:
    answers = AnswersInMemory(8000, 60, clock)
    for name in (b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"):
        answers.put(name, kept(1000))
    assert answers.get(b"a")
    answers.put(b"i", kept(1000))
    assert answers.get(b"b") is None
    assert answers.get(b"a")
    assert answers.get(b"i")


def test_an_answer_that_would_drive_out_many_is_not_kept(clock: Clock) -> None:
    answers = AnswersInMemory(8000, 60, clock)
    answers.put(b"a", kept(1001))
    assert answers.get(b"a") is None
