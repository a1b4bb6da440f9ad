"""Streams that are closed early, and streams that are silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


async def begin(source: AsyncGenerator[Item, None]) -> Begun[Item]:
    """The stream with its first item read. A generator that nobody began to read does nothing when it is closed; this
    one then does all that it does at its end. Raises what the first item does."""
    async for first in source:
        return Begun(source, [first])
    return Begun(source, [])


class Begun(AsyncIterator[Item], Generic[Item]):
    """`__anext__` adds nothing to the way of an item but the first."""

    def __init__(self, source: AsyncGenerator[Item, None], read: list[Item]) -> None:
        self._source = source
        self._read = read

    def __anext__(self) -> Awaitable[Item]:
        return self._first() if self._read else self._source.__anext__()

    async def _first(self) -> Item:
        return self._read.pop()

    async def aclose(self) -> None:
        self._read.clear()
        await self._source.aclose()


async def ticking(source: AsyncIterator[Item], seconds: float) -> AsyncGenerator[Item | None, None]:
    """What comes, and None whenever nothing has come for so long. Closing it cancels what it waits for, so that no task
    is left behind."""
    end: Any = object()
    loop = asyncio.get_running_loop()
    waiting: asyncio.Task[Any] | None = None
    try:
        while True:
            waiting = loop.create_task(_next(source, end))
            while not (await asyncio.wait({waiting}, timeout=seconds))[0]:
                yield None
            item = waiting.result()
            if item is end:
                return
            yield item
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting})


async def _next(source: AsyncIterator[Item], end: Item) -> Item:
    return await anext(source, end)
