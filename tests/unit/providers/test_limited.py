from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest

from providers.errors import ProviderError, Saturated, Unavailable
from providers.inference.interface import Burst, ChatRequest, Chunk, Completion, TextRequest
from providers.inference.limited import Limited, LimitedByModel
from providers.slots import Slots

TEXT = TextRequest("m", "x")


def ask(name: str) -> ChatRequest:
    return ChatRequest(name, [{"role": "user", "content": "x"}])


@dataclass
class Gated:
    """Answers each request, named by its model, once its gate is opened."""

    name: str = "gated"
    begun: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0
    closed: bool = False
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    fault: ProviderError | None = None

    def gate(self, name: str) -> asyncio.Event:
        return self.gates.setdefault(name, asyncio.Event())

    async def chat(self, request: ChatRequest) -> Completion:
        self.begun.append(request.model)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate(request.model).wait()
            if self.fault:
                raise self.fault
        finally:
            self.running -= 1
        return Completion({"model": request.model}, None)

    async def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Burst, None]:
        self.begun.append(request.model)
        try:
            yield [Chunk(body={"choices": []})]
            yield [Chunk(body={"choices": []})]
        finally:
            self.begun.append(f"{request.model} ended")

    async def complete(self, request: TextRequest) -> Completion:
        return await self.chat(ask(request.model))

    def stream_complete(self, request: TextRequest) -> AsyncGenerator[Burst, None]:
        return self.stream_chat(ask(request.model))

    async def close(self) -> None:
        self.closed = True


async def settle() -> None:
    """Lets every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def start(limited: Limited, *names: str) -> list[asyncio.Task[Completion]]:
    return [asyncio.ensure_future(limited.chat(ask(name))) for name in names]


async def test_no_more_calls_run_than_allowed_and_each_is_answered() -> None:
    inner = Gated()
    tasks = start(Limited(inner, Slots(2, 10)), *"abcdef")
    await settle()
    for name in "abcdef":
        inner.gate(name).set()
    answers = await asyncio.gather(*tasks)
    assert inner.most == 2
    assert [answer.body["model"] for answer in answers] == list("abcdef")


async def test_waiters_run_in_the_order_they_came() -> None:
    inner = Gated()
    tasks = start(Limited(inner, Slots(1, 10)), *"abc")
    await settle()
    assert inner.begun == ["a"]
    for name in "abc":
        inner.gate(name).set()
    await asyncio.gather(*tasks)
    assert inner.begun == ["a", "b", "c"]


async def test_nobody_overtakes_a_waiter() -> None:
    inner = Gated()
    limited = Limited(inner, Slots(1, 10))
    tasks = start(limited, "a", "b")
    await settle()
    inner.gate("a").set()
    await tasks[0]
    tasks += start(limited, "c")
    await settle()
    assert inner.begun == ["a", "b"]
    inner.gate("b").set()
    inner.gate("c").set()
    await asyncio.gather(*tasks)


async def test_a_full_queue_refuses_at_once() -> None:
    inner = Gated()
    limited = Limited(inner, Slots(1, 1))
    tasks = start(limited, "a", "b")
    await settle()
    with pytest.raises(Saturated):
        await limited.chat(ask("c"))
    with pytest.raises(Saturated):
        await anext(limited.stream_chat(ask("d")))
    for name in "ab":
        inner.gate(name).set()
    await asyncio.gather(*tasks)
    assert inner.begun == ["a", "b"]


async def test_a_cancelled_waiter_frees_its_place() -> None:
    inner = Gated()
    limited = Limited(inner, Slots(1, 1))
    first, second = start(limited, "a", "b")
    await settle()
    second.cancel()
    await settle()
    (third,) = start(limited, "c")
    inner.gate("a").set()
    inner.gate("c").set()
    await asyncio.gather(first, third)
    assert inner.begun == ["a", "c"]


@pytest.mark.parametrize("order", ["cancel first", "finish first"])
async def test_a_slot_given_to_a_waiter_that_is_cancelled_is_not_lost(order: str) -> None:
    inner = Gated()
    limited = Limited(inner, Slots(1, 5))
    first, second = start(limited, "a", "b")
    await settle()
    inner.gate("a").set()
    if order == "cancel first":
        second.cancel()
        await first
    else:
        await first
        second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    inner.gate("c").set()
    assert (await asyncio.wait_for(limited.chat(ask("c")), 60)).body == {"model": "c"}


async def test_a_cancelled_or_failed_call_frees_its_slot() -> None:
    inner = Gated()
    limited = Limited(inner, Slots(1, 5))
    (running,) = start(limited, "a")
    await settle()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    inner.fault = Unavailable("away")
    inner.gate("b").set()
    with pytest.raises(Unavailable):
        await limited.chat(ask("b"))
    inner.fault = None
    assert await limited.complete(TextRequest("b", "x"))


async def test_a_stream_holds_its_slot_until_it_is_closed() -> None:
    inner = Gated()
    limited = Limited(inner, Slots(1, 5))
    stream = limited.stream_complete(TEXT)
    await anext(stream)
    waiting: Any = asyncio.ensure_future(anext(limited.stream_chat(ask("next"))))
    await settle()
    assert inner.begun == ["m"]
    await stream.aclose()
    await waiting
    assert inner.begun == ["m", "m ended", "next"]


async def test_a_stream_read_to_its_end_frees_its_slot() -> None:
    limited = Limited(Gated(), Slots(1, 0))
    for _ in range(3):
        assert len([burst async for burst in limited.stream_chat(ask("a"))]) == 2


async def test_name_and_close_are_the_inner_ones() -> None:
    inner = Gated()
    limited = Limited(inner, Slots(1, 1))
    await limited.close()
    assert (limited.name, inner.closed) == ("gated", True)


async def test_each_model_has_a_queue_of_its_own() -> None:
    inner = Gated()
    limited = LimitedByModel(inner, 1, 0)
    first, other = [asyncio.ensure_future(limited.chat(ask(name))) for name in "ab"]
    await settle()
    assert inner.begun == ["a", "b"]
    with pytest.raises(Saturated):
        await limited.chat(ask("a"))
    for name in "ab":
        inner.gate(name).set()
    await asyncio.gather(first, other)
