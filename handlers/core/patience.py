"""How long a request is tried again for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

LONGEST_WAIT_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Patience:
    """A deployment is asked at most `retries` times more, and never later than `budget_seconds` after the request's
    first call. Waits double from `first_wait_seconds`, of which between half and all is waited, by chance."""

    retries: int = 2
    budget_seconds: float = 5.0
    first_wait_seconds: float = 0.25
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    def wait_seconds(self, rounds_done: int, chance: float) -> float:
        """`chance` is in [0, 1)."""
        longest = min(self.first_wait_seconds * 2.0 ** (rounds_done - 1), LONGEST_WAIT_SECONDS)
        return longest * (1 + chance) / 2
