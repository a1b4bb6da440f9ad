"""A cap on the calls that run at once on one deployment, with a queue before it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, cast

from providers.inference.interface import Burst, ChatRequest, Completion, Inference, TextRequest
from providers.slots import Slots


@dataclass(frozen=True, slots=True)
class Limited:
    """An `Inference` within `slots`, which several may share. A stream holds its slot until it is closed."""

    inner: Inference
    slots: Slots

    @property
    def name(self) -> str:
        return self.inner.name

    async def chat(self, request: ChatRequest) -> Completion:
        if not self.slots.take_free():
            await self.slots.take()
        try:
            return await self.inner.chat(request)
        finally:
            self.slots.pass_on()

    def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Burst, None]:
        return self._hold(self.inner.stream_chat(request))

    async def complete(self, request: TextRequest) -> Completion:
        if not self.slots.take_free():
            await self.slots.take()
        try:
            return await self.inner.complete(request)
        finally:
            self.slots.pass_on()

    def stream_complete(self, request: TextRequest) -> AsyncGenerator[Burst, None]:
        return self._hold(self.inner.stream_complete(request))

    async def close(self) -> None:
        await self.inner.close()

    async def _hold(self, stream: AsyncIterator[Burst]) -> AsyncGenerator[Burst, None]:
        if not self.slots.take_free():
            await self.slots.take()
        try:
            async with aclosing(cast("AsyncGenerator[Burst, None]", stream)) as bursts:
                async for burst in bursts:
                    yield burst
        finally:
            self.slots.pass_on()


@dataclass(frozen=True, slots=True)
class LimitedByModel:
    """An `Inference` whose models have `Slots(running, waiting)` each: a vendor's model is one deployment."""

    inner: Inference
    running: int
    waiting: int
    _by_model: dict[str, Limited] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.inner.name

    def chat(self, request: ChatRequest) -> Coroutine[Any, Any, Completion]:
        return self._of(request.model).chat(request)

    def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Burst, None]:
        return self._of(request.model).stream_chat(request)

    def complete(self, request: TextRequest) -> Coroutine[Any, Any, Completion]:
        return self._of(request.model).complete(request)

    def stream_complete(self, request: TextRequest) -> AsyncGenerator[Burst, None]:
        return self._of(request.model).stream_complete(request)

    async def close(self) -> None:
        await self.inner.close()

    def load(self) -> tuple[int, int]:
        """How many calls run, and how many wait."""
        slots = [limited.slots for limited in self._by_model.values()]
        return sum(self.running - one.free for one in slots), sum(one.waiting for one in slots)

    def _of(self, model: str) -> Limited:
        limited = self._by_model.get(model)
        if limited is None:
            limited = self._by_model[model] = Limited(self.inner, Slots(self.running, self.waiting))
        return limited
