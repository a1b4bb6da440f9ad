"""Answers through a container, wherever they come from: a vendor, the cache, a stream, a second chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from handlers.core import chat
from handlers.core.asks import ChatAsk, Steering
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.services import Services
from providers.errors import Refused
from providers.inference.interface import ChatRequest, Completion, TextRequest, each
from providers.outbound import Outbound
from storage.repositories.containers import Container
from tests.unit.core.vendors import STOP, USAGE, Vendor, chunk, piece, spoken
from tests.unit.handlers.bench import make_call, make_services, resolves_to, said

PIRATE = {"role": "system", "content": "You are a pirate."}
ASK = ChatAsk(models=("maniac:c",), messages=said("hi"), steering=Steering(cache="use"), store=True)
CHUNKS = [chunk(piece("hel")), chunk(piece("lo")), chunk(STOP), chunk("", USAGE)]


@dataclass
class Shelf:
    """The one container of a project; tests put another in its place."""

    container: Container

    async def find(self, project_id: str, label: str) -> Container | None:
        return self.container if (project_id, label) == (self.container.project_id, self.container.label) else None


def shelf(**defaults: Any) -> Shelf:
    made = datetime(2026, 5, 1, tzinfo=UTC)
    prompt: dict[str, Any] = {"default_system_prompt": PIRATE["content"]}
    return Shelf(Container("ctr-1", "project-1", "c", "chat.completions", "openai/gpt-5.5", made, **prompt, **defaults))


def stored(call: Call) -> dict[str, Any]:
    assert call.record.chat is not None
    return {
        "id": call.record.chat.id,
        "container": call.record.chat.container,
        "request": orjson.loads(call.record.chat.request),
        "said": orjson.loads(call.record.chat.answer)["choices"][0]["message"]["content"],
    }


async def whole(services: Services, ask: ChatAsk = ASK) -> tuple[chat.Answer, Call]:
    call = make_call("maniac", services)
    return await chat.complete(ask, call), call


def messages_of(request: ChatRequest | TextRequest) -> Sequence[Any]:
    assert isinstance(request, ChatRequest)
    return request.messages


async def test_a_kept_answer_is_stored_as_a_chat_of_its_own() -> None:
    vendor = Vendor("openai")
    services = make_services(vendor, containers=shelf())
    (first, asked), (second, replayed) = await whole(services), await whole(services)
    assert (first.meter.cached, second.meter.cached, len(vendor.asked)) == (False, True, 1)
    assert messages_of(vendor.asked[0]) == [PIRATE, *ASK.messages]
    assert stored(asked)["id"] != stored(replayed)["id"] == second.body["id"]
    assert {**stored(replayed), "id": None} == {**stored(asked), "id": None}
    assert stored(asked)["container"] == "c"
    assert stored(asked)["request"]["messages"] == ASK.messages


async def test_a_stream_is_stored_when_it_is_read_and_again_when_it_is_replayed() -> None:
    vendor = Vendor("openai", chunks=CHUNKS)
    services = make_services(vendor, containers=shelf())
    kept = []
    for _ in range(2):
        call = make_call("maniac", services)
        stream = await chat.stream(ASK, call)
        sent = [chunk.body["id"] async for burst in stream.bursts for chunk in each(burst)]
        assert (stored(call)["id"], stored(call)["said"]) == (sent[0], "hello")
        kept.append(stored(call)["id"])
    assert len(vendor.asked) == 1
    assert len(set(kept)) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"default_system_prompt": "You are a nun."},
        {"options": {"temperature": 0}},
        {"default_few_shot_messages": said("2+2")},
    ],
    ids=["prompt", "options", "examples"],
)
async def test_a_container_that_was_changed_is_asked_anew(changes: dict[str, Any]) -> None:
    vendor, containers = Vendor("openai"), shelf()
    services = make_services(vendor, containers=containers)
    await whole(services)
    containers.container = replace(containers.container, **changes)
    answer, _ = await whole(services)
    assert not answer.meter.cached
    assert len(vendor.asked) == 2


class OnlyPirates(Vendor):
    """Answers nobody who does not bring the container's prompt."""

    def _answer(self, request: ChatRequest | TextRequest) -> Completion:
        if messages_of(request)[0] != PIRATE:
            self.asked.append(request)
            raise Refused("no such model", status=404)
        return super()._answer(request)


async def test_a_kept_answer_names_the_container_that_was_fallen_back_to() -> None:
    vendor = OnlyPirates("openai")
    services = make_services(vendor, containers=shelf())
    ask = replace(ASK, models=("openai/gpt-5.5", "maniac:c"))
    (_, asked), (second, replayed) = await whole(services, ask), await whole(services, ask)
    assert second.meter.cached
    assert second.attempt.route_id == "maniac:c"
    assert (stored(asked)["container"], stored(replayed)["container"]) == ("c", "c")


@dataclass
class Learner(Vendor):
    """Says one thing after the other."""

    says: list[str] = field(default_factory=list)

    def _answer(self, request: ChatRequest | TextRequest) -> Completion:
        self.asked.append(request)
        return Completion(spoken(self.says.pop(0)), USAGE)


async def test_an_answer_is_held_to_the_schema_of_its_container_and_stored_once_mended() -> None:
    schema = {"type": "object", "required": ["age"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    vendor = Learner("openai", says=["I am 36.", '{"age":36}'])
    services = make_services(vendor, containers=shelf(options={"response_format": wanted}))
    _, call = await whole(services)
    first, second = vendor.asked
    assert second.options["response_format"] == wanted
    assert messages_of(second)[: len(messages_of(first))] == [PIRATE, *ASK.messages]
    assert stored(call)["said"] == '{"age":36}'
    assert stored(call)["request"]["messages"] == ASK.messages


async def test_pictures_in_a_containers_examples_are_looked_at() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://inside.example/a.png"}}
    containers = shelf(default_few_shot_messages=[{"role": "user", "content": [picture]}])
    services = make_services(
        Vendor("openai"), containers=containers, addresses=Outbound(resolve=resolves_to("10.0.0.1"))
    )
    with pytest.raises(Invalid):
        await whole(services)
