"""Responses that are made in the background, by one worker after another, on both databases."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from handlers.core import responses
from handlers.core.asks import Wishes
from handlers.core.call import Call, Caller
from handlers.core.catalog import Catalog, CatalogHolder, Deployment
from handlers.core.errors import Forbidden, Invalid, NotFound, PaymentRequired
from handlers.core.jobs import Definition, Definitions, Jobs
from handlers.core.keys import Rates, Tenancy
from handlers.core.keys.tenancy import KeyDraft
from handlers.core.quota import Quota
from handlers.core.responses import Ended, Event, Response, ResponseAsk, Step
from handlers.core.services import Services
from providers.inference.interface import Burst, ChatRequest, Completion, TextRequest
from server.worker import Worker
from storage.database import Database
from storage.ledger.writer import Ledger
from storage.ledger_record import Record
from storage.presence import Presence
from storage.repositories.credits import Credits
from storage.repositories.limits import Limits, Window
from storage.repositories.requests import Requests
from storage.repositories.responses import Responses
from tests.contract.jobs.conftest import PATIENCE_SECONDS, QUICK
from tests.contract.storage.conftest import Two
from tests.unit.core.vendors import STOP, USAGE, chunk, piece, spoken
from tests.unit.handlers.bench import FULL, make_services

MODEL = replace(FULL, deployments=(Deployment("openai", "theirs"),))
DAY = 1_790_000_000 // 86_400 * 86_400
"""Limits are counted from its noon on, far from midnight."""
COST_MICROS = 6 * 5 + 4 // 2 + 20 * 30


@dataclass
class Vendor:
    """Says the words of its next answer, and at a None says nothing more."""

    name: str = "openai"
    answers: list[Sequence[str | None]] = field(default_factory=list)
    asked: int = 0
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    closed: int = 0

    async def chat(self, request: ChatRequest) -> Completion:
        words = self._next()
        if None in words:
            await self._stall()
        return Completion(spoken("".join(word or "" for word in words)), USAGE)

    async def complete(self, request: TextRequest) -> Completion:
        raise NotImplementedError

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Burst]:
        try:
            for word in self._next():
                if word is None:
                    await self._stall()
                else:
                    yield [chunk(piece(word))]
            yield [chunk(STOP, USAGE)]
        finally:
            self.closed += 1

    def stream_complete(self, request: TextRequest) -> AsyncIterator[Burst]:
        raise NotImplementedError

    async def close(self) -> None:
        pass

    def _next(self) -> Sequence[str | None]:
        self.asked += 1
        return self.answers.pop(0)

    async def _stall(self) -> None:
        self.stalled.set()
        await asyncio.Event().wait()


@dataclass
class House:
    services: Services
    vendor: Vendor
    caller: Caller
    database: Database
    quota: Quota

    def call(self) -> Call:
        request_id = self.services.new_id("req")
        record = Record(request_id, "ipop", "responses_create", time.time(), self.caller.project_id)
        return Call(self.services, "ipop", "responses_create", request_id, {}, record, self.caller)

    async def enqueue(self, **more: Any) -> tuple[Response, Call]:
        part = {"type": "input_text", "text": "hi"}
        item = {"id": "msg_1", "type": "message", "status": "completed", "role": "user", "content": [part]}
        call = self.call()
        asked = ResponseAsk(model=MODEL.id, items=[item], background=True, **more)
        return (await responses.enqueue(asked, call)).response, call

    @asynccontextmanager
    async def worker(self, *definitions: Definition) -> AsyncIterator[None]:
        worker = Worker(self.services, Definitions(definitions or (responses.DEFINITION,)), 8, QUICK)
        running = asyncio.ensure_future(worker.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})
            await worker.close()

    async def ended(self, response: Response) -> Response:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.services.jobs.wait(self.caller.project_id, response.id)
        return await responses.get(response.id, self.call())

    async def events(self, response: Response) -> list[Event]:
        return [event async for event in await responses.follow(response.id, self.call())]

    async def told(self, response: Response, text: str) -> None:
        """Once so much is told of what was said, which is done now and then."""
        said: list[Event] = []
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            aclosing(await responses.follow(response.id, self.call())) as told,
        ):
            async for event in told:
                said.append(event)
                if text_of(said) == text:
                    return
        raise AssertionError(f"it ended with {text_of(said)!r}")

    async def settled(self, call: Call) -> Record:
        """The record once it is final."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := await self.record(call)).state == "started":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return found

    async def record(self, call: Call) -> Record:
        found = await Requests(self.database).get(self.caller.project_id, call.request_id)
        assert found is not None
        return found


@pytest.fixture
async def house(database: Database, projects: Two) -> AsyncIterator[House]:
    numbers = itertools.count()
    tenancy = Tenancy(database)
    await tenancy.set_credits("test", projects.mine.slug, 1_000_000)
    issued = await tenancy.create_key("test", projects.mine.slug, KeyDraft())
    caller = Caller(projects.mine.id, projects.mine.slug, issued.key.id)
    began = time.time()
    vendor, quota = Vendor(), Quota(database, clock=lambda: DAY + 43_200 + time.time() - began)
    ledger = Ledger(database, Presence(database))
    await ledger.open()
    stem = projects.mine.id.removeprefix("proj_")
    services = make_services(
        vendor,
        catalog=CatalogHolder(Catalog([MODEL])),
        responses=Responses(database),
        jobs=Jobs(database, time.time, str),
        quota=quota,
        ledger=ledger,
        clock=time.time,
        new_id=lambda noun: f"{noun}-{stem}{next(numbers):03}",
    )
    yield House(services, vendor, caller, database, quota)
    await ledger.close()


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.delta for event in events if isinstance(event, Step) and event.act == "delta")


def last(events: Sequence[Event]) -> Response:
    assert isinstance(events[-1], Ended)
    return events[-1].response


async def balance(house: House) -> int | None:
    return await Credits(house.database).balance(house.caller.project_id)


@pytest.mark.parametrize("stream", [True, False])
async def test_it_is_made_and_billed_once(house: House, stream: bool) -> None:
    house.vendor.answers = [["Con", "cord"]]
    response, call = await house.enqueue(stream=stream)
    assert response.status == "queued"
    async with house.worker():
        ended = await house.ended(response)
    assert (ended.status, ended.text, ended.usage) == ("completed", "Concord", USAGE)
    record = await house.record(call)
    assert (record.state, record.model, record.cost_micros) == ("completed", MODEL.id, COST_MICROS)
    assert await balance(house) == 1_000_000 - COST_MICROS
    assert house.vendor.asked == 1


async def test_an_answer_that_was_broken_off_goes_on_elsewhere_as_if_nothing_was(house: House) -> None:
    house.vendor.answers = [["Con", "cord", None], ["C", "oncord is", " peace."]]
    response, call = await house.enqueue(stream=True)
    async with house.worker():
        await house.vendor.stalled.wait()
    assert (await responses.get(response.id, house.call())).status == "in_progress"
    async with house.worker():
        ended = await house.ended(response)
    told = await house.events(response)
    assert text_of(told) == ended.text == "Concord is peace."
    assert last(told) == ended
    assert len(ended.output) == 1
    assert [event.sequence for event in await house.services.jobs.events(house.caller.project_id, response.id)] == [
        *range(1, 1 + len(await house.services.jobs.events(house.caller.project_id, response.id)))
    ]
    record = await house.record(call)
    assert (record.state, record.completion_tokens, record.cost_micros) == ("completed", 20, COST_MICROS)
    assert await balance(house) == 1_000_000 - COST_MICROS
    assert (house.vendor.asked, house.vendor.closed) == (2, 2)


async def test_another_answer_is_told_behind_the_one_that_was_cut(house: House) -> None:
    house.vendor.answers = [["Con", "cord", None], ["Peace", "."]]
    response, _ = await house.enqueue(stream=True)
    async with house.worker():
        await house.vendor.stalled.wait()
        await house.told(response, "Concord")
    async with house.worker():
        ended = await house.ended(response)
    assert [(item["status"], item["content"][0]["text"]) for item in ended.output] == [
        ("incomplete", "Concord"),
        ("completed", "Peace."),
    ]
    told = await house.events(response)
    assert last(told) == ended
    done = [event.item for event in told if isinstance(event, Step) and event.act == "item_done"]
    assert done == list(ended.output)


async def test_a_stalled_vendor_is_left_when_the_response_is_cancelled(house: House) -> None:
    house.vendor.answers = [["Con", None]]
    response, call = await house.enqueue(stream=True)
    async with house.worker():
        await house.vendor.stalled.wait()
        assert (await responses.cancel(response.id, house.call())).status == "cancelled"
        ended = await house.ended(response)
    assert (ended.status, ended.text, ended.output[0]["status"]) == ("cancelled", "Con", "incomplete")
    assert house.vendor.closed == 1
    record = await house.record(call)
    assert (record.state, record.error_code) == ("interrupted", "cancelled")
    assert record.completion_tokens > 0
    assert await balance(house) == 1_000_000 - record.cost_micros


async def test_one_that_still_waits_is_cancelled_and_gives_back_what_it_took(house: House, projects: Two) -> None:
    await Tenancy(house.database).set_limits("test", projects.mine.slug, Rates(tokens_per_day=100_000))
    response, call = await house.enqueue(options={"max_completion_tokens": 400})
    day = Window(projects.mine.id, projects.mine.id, "tokens_per_day", DAY, 86_400)
    await house.quota.close()
    taken = await Limits(house.database).taken(day)
    assert taken > 400
    assert (await responses.cancel(response.id, house.call())).status == "cancelled"
    assert await Limits(house.database).taken(day) == 0
    record = await house.record(call)
    assert (record.state, record.error_code, record.cost_micros) == ("interrupted", "cancelled", 0)
    assert (await responses.cancel(response.id, house.call())).status == "cancelled"


async def test_limits_are_settled_by_whoever_makes_it(house: House, projects: Two) -> None:
    await Tenancy(house.database).set_limits("test", projects.mine.slug, Rates(tokens_per_day=100_000))
    house.vendor.answers = [["Concord"]]
    response, _ = await house.enqueue(options={"max_completion_tokens": 400})
    async with house.worker():
        await house.ended(response)
    await house.quota.close()
    day = Window(projects.mine.id, projects.mine.id, "tokens_per_day", DAY, 86_400)
    assert await Limits(house.database).taken(day) == USAGE.total_tokens


async def test_it_is_admitted_when_it_is_asked(house: House, projects: Two) -> None:
    tenancy = Tenancy(house.database)
    await tenancy.set_limits("test", projects.mine.slug, Rates(requests_per_minute=0))
    await house.quota.refresh()
    with pytest.raises(Forbidden):
        await house.enqueue()
    await tenancy.set_limits("test", projects.mine.slug, Rates())
    await tenancy.set_credits("test", projects.mine.slug, 0)
    await house.quota.refresh()
    with pytest.raises(PaymentRequired):
        await house.enqueue()
    with pytest.raises(Invalid):
        await house.enqueue(store=False)
    with pytest.raises(Invalid):
        await house.enqueue(wishes=Wishes(keys=replace(Wishes().keys, given={"openai": "sk-1"})))
    assert await house.services.jobs.list(projects.mine.id) == []


async def test_one_that_is_deleted_is_stopped_and_gone(house: House) -> None:
    house.vendor.answers = [[None]]
    response, call = await house.enqueue(stream=True)
    async with house.worker():
        await house.vendor.stalled.wait()
        await responses.delete(response.id, house.call())
        record = await house.settled(call)
    assert (record.state, record.error_code) == ("interrupted", "cancelled")
    assert house.vendor.closed == 1
    with pytest.raises(NotFound):
        await responses.get(response.id, house.call())
    with pytest.raises(NotFound):
        await house.services.jobs.get(house.caller.project_id, response.id)


async def test_the_requests_of_a_process_that_died_are_finished_by_another(house: House) -> None:
    """The record that was thought interrupted says in the end what came of the request."""
    house.vendor.answers = [["Con", None], ["Concord"]]
    response, call = await house.enqueue(stream=True)
    async with house.worker():
        await house.vendor.stalled.wait()
    interrupted = replace(call.record, state="interrupted")
    await house.services.ledger.finish(interrupted)
    assert (await responses.get(response.id, house.call())).status == "in_progress"
    async with house.worker():
        assert (await house.ended(response)).status == "completed"
    assert (await house.record(call)).state == "completed"


async def test_what_a_deleted_project_has_asked_for_is_stopped(house: House, projects: Two) -> None:
    house.vendor.answers = [["Concord"], ["Con", None]]
    done, _ = await house.enqueue()
    async with house.worker():
        await house.ended(done)
        running, call = await house.enqueue(stream=True)
        await house.vendor.stalled.wait()
        await Tenancy(house.database).delete_project("test", projects.mine.slug)
        record = await house.settled(call)
    assert (record.state, record.error_code) == ("interrupted", "cancelled")
    assert house.vendor.closed == 1
    for response in (done, running):
        with pytest.raises(NotFound):
            await responses.get(response.id, house.call())
    assert {job.id for job in await house.services.jobs.list(projects.mine.id)} == {running.id}
