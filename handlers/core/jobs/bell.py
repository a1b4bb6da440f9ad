"""How those who wait for a change of the database learn of one that this process made, before they look again."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Take a `ticket`, look, and wait with it: a ring in between is not missed."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ticket(self) -> asyncio.Event:
        return self._event

    def ring(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, ticket: asyncio.Event, seconds: float) -> None:
        """At most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ticket.wait()
