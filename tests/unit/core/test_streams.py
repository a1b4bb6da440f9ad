"""Streams that are closed early let go of what they hold, and silent ones let others have their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from handlers.core.streams import begin, ticking


class Source:
    """Says 0, 1, 2, each when it may."""

    def __init__(self) -> None:
        self.closed = False
        self.may = asyncio.Semaphore(0)

    async def say(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(3):
                await self.may.acquire()
                yield number
        finally:
            self.closed = True

    def let(self, number: int) -> None:
        for _ in range(number):
            self.may.release()


async def test_one_that_is_closed_before_its_first_read_does_all_that_it_does_at_its_end() -> None:
    source = Source()
    source.let(3)
    begun = await begin(source.say())
    await begun.aclose()
    assert source.closed
    assert [number async for number in begun] == []


async def test_one_that_was_begun_is_read_whole() -> None:
    source = Source()
    source.let(3)
    assert [number async for number in await begin(source.say())] == [0, 1, 2]
    assert source.closed


async def test_an_empty_one_is_empty() -> None:
    async def nothing() -> AsyncGenerator[int, None]:
        for number in list[int]():
            yield number

    assert [number async for number in await begin(nothing())] == []


async def test_silence_is_told_of_and_loses_nothing() -> None:
    source, heard = Source(), list[int | None]()
    async with aclosing(ticking(source.say(), 0.01)) as ticks:
        async for number in ticks:
            heard.append(number)
            if number is None:
                source.let(1)
    assert [number for number in heard if number is not None] == [0, 1, 2]
    assert heard.count(None) >= 3


async def test_who_stops_listening_to_silence_ends_what_it_waits_for() -> None:
    source = Source()
    async with aclosing(ticking(source.say(), 0.01)) as ticks:
        assert await anext(ticks) is None
    assert source.closed


async def test_what_breaks_is_told() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise KeyError("gone")

    async with aclosing(ticking(broken(), 10)) as ticks:
        assert await anext(ticks) == 1
        with pytest.raises(KeyError):
            await anext(ticks)
