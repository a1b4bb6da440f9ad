"""Keeps what is said in requests, where a policy wants it.

The event loop only hands references over; a thread of our own makes rows of them, which go into the request's record
and so into its commit. An answer's end waits for that thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from handlers.core import transcript
from handlers.core.asks import AnyAsk, Burst
from handlers.core.call import Call
from handlers.core.capture import messages
from handlers.core.capture.messages import Place
from handlers.core.capture.policy import Policies, Policy
from handlers.core.transcript import Said
from storage.captured import CapturedMessage
from storage.repositories.captured import CapturedMessages
from storage.repositories.requests import Requests
from storage.tables.types import instant

if TYPE_CHECKING:
    from handlers.core.chat import Answer, Stream

MAX_WAITING = 64


def _thread() -> ThreadPoolExecutor:
    """One: the work is bound by the interpreter, and a second would only take more of it from the event loop."""
    return ThreadPoolExecutor(1, "capture")


@dataclass(frozen=True, slots=True)
class Capture:
    """No more than `MAX_WAITING` requests' messages wait for the thread; those that find it full wait themselves."""

    policies: Policies
    messages: CapturedMessages
    requests: Requests
    random: Callable[[], float]
    _thread: ThreadPoolExecutor = field(default_factory=_thread)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_WAITING))

    async def take(self, ask: AnyAsk, call: Call) -> Take | None:
        """None when this request's content is not to be kept."""
        if call.who is None:
            return None
        policy = await self.policies.of(call.who.project_id)
        if policy.mode == "off" or (policy.mode == "sampled" and self.random() >= policy.sample_rate):
            return None
        return Take(self, policy, ask, call)

    async def run(self, work: Callable[[], list[CapturedMessage]]) -> list[CapturedMessage]:
        async with self._room:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Take:
    """One question to a model and its answer. What no model was asked is not kept."""

    capture: Capture
    policy: Policy
    ask: AnyAsk
    call: Call

    async def answer(self, answering: Awaitable[Answer]) -> Answer:
        body: dict[str, Any] | None = None
        try:
            answer = await answering
            body = answer.body
            return answer
        finally:
            await self._keep(lambda: [body] if body else [])

    async def stream(self, opening: Awaitable[Stream]) -> Stream:
        try:
            opened = await opening
        except BaseException:
            await self._keep(list)
            raise
        return replace(opened, bursts=self._relay(opened))

    async def _relay(self, opened: Stream) -> AsyncIterator[Burst]:
        """What was sent is kept also when the stream is cut."""
        said = Said()
        try:
            async with aclosing(cast(AsyncGenerator[Burst, None], opened.bursts)) as bursts:
                async for burst in bursts:
                    for piece in burst:
                        said.add(piece)
                    yield burst
        finally:
            await self._keep(lambda: [transcript.join(said.pieces)])

    async def _keep(self, bodies: Callable[[], Sequence[dict[str, Any]]]) -> None:
        record = self.call.record
        if record.model is None or record.project_id is None:
            return
        place = Place(
            record.request_id, record.project_id, instant(record.started_at), record.model, len(record.messages) + 1
        )
        kept = await self.capture.run(lambda: messages.write(self.ask, bodies(), self.policy, place))
        record.messages = (*record.messages, *kept)
