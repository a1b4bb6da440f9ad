"""How many calls run at once, and how many wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque

from providers.errors import Saturated


class Slots:
    """`running` calls at once, `waiting` more in the order they came."""

    def __init__(self, running: int, waiting: int) -> None:
        self._free = running
        self._most_waiting = waiting
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def free(self) -> int:
        return self._free

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def take_free(self) -> bool:
        """Whether there was one to take. It is passed on by whoever took it."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        """Raises `Saturated` at once when the queue is full."""
        if self.take_free():
            return
        if len(self._queue) >= self._most_waiting:
            raise Saturated("too many calls are waiting for this model")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.pass_on()
            elif turn in self._queue:
                self._queue.remove(turn)
            raise

    def pass_on(self) -> None:
        """Gives the slot to whoever waits longest, so that nobody who comes later can take it first."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
