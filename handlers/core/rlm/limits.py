"""The limits of a run: an error for each, and its budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from handlers.core.errors import CoreError


class Exhausted(CoreError):
    """A limit of the run is reached: `max_iterations_exceeded`, `max_budget_exceeded` or `max_timeout_exceeded`."""

    status = 400


def out_of_iterations(most: int) -> Exhausted:
    return Exhausted(f"there was no answer after {most} iterations", code="max_iterations_exceeded")


def out_of_budget() -> Exhausted:
    return Exhausted("the budget is used up", code="max_budget_exceeded")


def out_of_time(seconds: float) -> Exhausted:
    return Exhausted(f"there was no answer after {seconds:g} s", code="max_timeout_exceeded")


@dataclass(slots=True)
class Grant:
    """What one call may cost; `cost_micros` is what it did, to be filled in."""

    most_micros: int
    cost_micros: int = 0

    @property
    def most_usd(self) -> Decimal:
        return Decimal(self.most_micros) / 1_000_000


class Budget:
    """Hands out the money of a run, so that calls at the same time do not count on the same."""

    def __init__(self, left_micros: int) -> None:
        self._left = left_micros
        self._open = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def grant(self, estimate_micros: int, crowd: int) -> AsyncIterator[Grant]:
        """A call alone may spend all that is left, one among a crowd of so many its share, or what it is likely to
        cost; when that is more than is left it waits for what others do not spend. Raises `Exhausted`."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._open or self._wanted(estimate_micros, crowd) <= self._left)
            most = min(self._wanted(estimate_micros, crowd), self._left)
            if most <= 0:
                raise out_of_budget()
            self._left -= most
            self._open += 1
        granted = Grant(most)
        try:
            yield granted
        finally:
            self._left += granted.most_micros - granted.cost_micros
            self._open -= 1
            async with self._changed:
                self._changed.notify_all()

    def _wanted(self, estimate_micros: int, crowd: int) -> int:
        return max(estimate_micros, self._left // crowd)
