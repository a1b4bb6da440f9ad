"""A cap on the calls that run at once on one deployment, with a queue before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from providers.embeddings.interface import Embedder, Embeddings, EmbeddingsRequest
from providers.slots import Slots


@dataclass(frozen=True, slots=True)
class Limited:
    """An `Embedder` within `slots`, which several may share."""

    inner: Embedder
    slots: Slots

    @property
    def name(self) -> str:
        return self.inner.name

    async def embed(self, request: EmbeddingsRequest) -> Embeddings:
        await self.slots.take()
        try:
            return await self.inner.embed(request)
        finally:
            self.slots.pass_on()

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        return await self.inner.count_tokens(model, texts)

    async def close(self) -> None:
        await self.inner.close()


@dataclass(frozen=True, slots=True)
class LimitedByModel:
    """An `Embedder` whose models have `Slots(running, waiting)` each: a vendor's model is one deployment."""

    inner: Embedder
    running: int
    waiting: int
    _by_model: dict[str, Slots] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.inner.name

    async def embed(self, request: EmbeddingsRequest) -> Embeddings:
        slots = self._by_model.get(request.model)
        if slots is None:
            slots = self._by_model[request.model] = Slots(self.running, self.waiting)
        await slots.take()
        try:
            return await self.inner.embed(request)
        finally:
            slots.pass_on()

    async def count_tokens(self, model: str, texts: Sequence[str]) -> int:
        return await self.inner.count_tokens(model, texts)

    async def close(self) -> None:
        await self.inner.close()
