from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from server.metrics.counters import Histograms

LOOK_SECONDS = 0.5
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Lag:
    """How much later than it was to a timer rings. `clock` is the loop's own by default."""

    def __init__(
        self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep, clock: Callable[[], float] | None = None
    ) -> None:
        self.seconds = Histograms(BOUNDS)
        self._sleep = sleep
        self._clock = clock

    async def run(self) -> None:
        """As long as the server does."""
        clock = self._clock or asyncio.get_running_loop().time
        while True:
            due = clock() + LOOK_SECONDS
            await self._sleep(LOOK_SECONDS)
            self.seconds.add((), max(0.0, clock() - due))
