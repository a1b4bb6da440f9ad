"""Notices a client that hangs up, keeps idle event streams alive, and ends streams on shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]

GRACE_SECONDS = 0.05
"""At the latest by then a client is watched. Most answers are done before, and cost no task and no timer."""


class Reason(Enum):
    HUNG_UP = "hung_up"
    SHUTDOWN = "shutdown"


class Interrupted(Exception):
    """The block under a `Watch` was cancelled, for this reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class OpenStreams:
    """The watches of requests under way in this process. Of those whose client is not watched yet, `_older` have been
    there for half of the grace, and `_newer` are those that came since."""

    def __init__(self) -> None:
        self._watches: set[Watch] = set()
        self._newer: set[Watch] = set()
        self._older: set[Watch] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watches)

    def count_streaming(self) -> int:
        return sum(watch.is_streaming for watch in self._watches)

    def add(self, watch: Watch) -> None:
        self._watches.add(watch)
        if watch.has_client:
            self._newer.add(watch)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS / 2, self._age)

    def discard(self, watch: Watch) -> None:
        self._watches.discard(watch)
        self._newer.discard(watch)
        if self._older:
            self._older.discard(watch)

    def end(self) -> None:
        """Tells every open stream that the server is going away."""
        for watch in list(self._watches):
            watch.interrupt(Reason.SHUTDOWN)

    def _age(self) -> None:
        for watch in self._older:
            watch.begin()
        self._older, self._newer = self._newer, set()
        self._timer = asyncio.get_running_loop().call_later(GRACE_SECONDS / 2, self._age) if self._older else None


class Watch:
    """`async with Watch(receive):` cancels its block when the client hangs up and raises `Interrupted` instead.
    Without `receive` only `interrupt` does.

    `is_streaming` is whether an event stream has begun under it. `keep_alive(send, seconds)` sends a comment after each
    `seconds` in which `touch` was not called.
    """

    __slots__ = (
        "_alarm", "_comment", "_idle", "_outlives", "_reason", "_receive", "_seconds", "_streams", "_task", "_watcher",
        "has_client", "is_streaming",
    )  # fmt: skip

    def __init__(self, receive: Receive | None, streams: OpenStreams | None = None) -> None:
        self._receive = receive
        self.has_client = receive is not None
        self._streams = OpenStreams() if streams is None else streams
        self._reason: Reason | None = None
        self._task: asyncio.Task[Any] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._comment: Callable[[], Awaitable[None]] | None = None
        self._seconds: float | None = None
        self._alarm: asyncio.Timeout | None = None
        self._idle = True
        self._outlives = False
        self.is_streaming = False

    async def __aenter__(self) -> Watch:
        self._task = asyncio.current_task()
        self._streams.add(self)
        return self

    def keep_alive(self, send_comment: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._comment, self._seconds = send_comment, seconds
        if self._alarm is not None:
            self._alarm.reschedule(asyncio.get_running_loop().time() + seconds)

    def touch(self) -> None:
        self._idle = False

    def outlive_client(self) -> None:
        """From now on a client that hangs up is nobody's business: what is sent to it goes nowhere."""
        self._outlives = True

    @property
    def outlives(self) -> bool:
        return self._outlives

    def interrupt(self, reason: Reason) -> None:
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    def begin(self) -> None:
        """From now on the client is watched, by a task."""
        if self._receive is not None:
            self._watcher = asyncio.get_running_loop().create_task(self._watch(self._receive))

    async def _watch(self, receive: Receive) -> None:
        while True:
            try:
                async with asyncio.timeout(self._seconds) as self._alarm:
                    message = await receive()
            except TimeoutError:
                if self._idle and self._comment is not None:
                    await self._comment()
                self._idle = True
                continue
            if message["type"] == "http.disconnect":
                if self._outlives:
                    return
                self.interrupt(Reason.HUNG_UP)
                return

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._streams.discard(self)
        if self._reason is not None and self._task is not None:
            if error is None:  # the block was done first: the cancellation is still to come, and ends here
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
            self._task.uncancel()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        if self._reason is not None and isinstance(error, asyncio.CancelledError):
            raise Interrupted(self._reason) from None
