"""The simulator: answers from the request alone, the same request always the same way.

Every other model name than those of `faults.py` answers normally.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from providers import tokens
from providers.errors import Refused, Unavailable
from providers.inference.interface import Burst, ChatRequest, Chunk, Completion, TextRequest, Usage
from providers.inference.simulator import rendering
from providers.inference.simulator.answer import Answer, answer_chat, answer_text
from providers.inference.simulator.faults import Fault, fault_of
from providers.inference.simulator.rendering import Head

CHUNKS_BEFORE_CUT = 3
CHUNKS_AT_ONCE = 64
MOST_CHOICES = 128


@dataclass(frozen=True, slots=True)
class Simulator:
    """`clock` gives unix seconds and `new_id` a fresh text without a prefix; `hang_seconds` bounds what hangs."""

    clock: Callable[[], float]
    new_id: Callable[[], str]
    name: str = "simulator"
    hang_seconds: float = 600.0

    async def chat(self, request: ChatRequest) -> Completion:
        fault = await self._begin(request.model)
        fault.cut_whole()
        answers = await self._answer_chat(request, fault)
        usage = _usage(await tokens.count_chat(request.messages, request.options.get("tools")), answers)
        return Completion(rendering.chat_body(self._head(request.model, "chatcmpl-"), answers, usage), usage)

    async def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Burst, None]:
        fault = await self._begin(request.model)
        answers = await self._answer_chat(request, fault)
        usage = _usage(await tokens.count_chat(request.messages, request.options.get("tools")), answers)
        bodies = rendering.chat_chunks(self._head(request.model, "chatcmpl-"), answers, usage)
        async with aclosing(_played(bodies, fault, usage)) as bursts:
            async for burst in bursts:
                yield burst

    async def complete(self, request: TextRequest) -> Completion:
        fault = await self._begin(request.model)
        fault.cut_whole()
        answers = await self._answer_text(request, fault)
        usage = _usage(await tokens.count_text(request.prompt), answers)
        return Completion(rendering.text_body(self._head(request.model, "cmpl-"), answers, usage), usage)

    async def stream_complete(self, request: TextRequest) -> AsyncGenerator[Burst, None]:
        fault = await self._begin(request.model)
        answers = await self._answer_text(request, fault)
        usage = _usage(await tokens.count_text(request.prompt), answers)
        bodies = rendering.text_chunks(self._head(request.model, "cmpl-"), answers, usage)
        async with aclosing(_played(bodies, fault, usage)) as bursts:
            async for burst in bursts:
                yield burst

    async def close(self) -> None:
        """Nothing is held."""

    async def _begin(self, model: str) -> Fault:
        fault = fault_of(model)
        await fault.strike(self.hang_seconds)
        return fault

    async def _answer_chat(self, request: ChatRequest, fault: Fault) -> list[Answer]:
        return [await answer_chat(request, index, self.new_id, fault.empty) for index in _choices(request.options)]

    async def _answer_text(self, request: TextRequest, fault: Fault) -> list[Answer]:
        return [await answer_text(request, index, fault.empty) for index in _choices(request.options)]

    def _head(self, model: str, prefix: str) -> Head:
        return Head(prefix + self.new_id(), int(self.clock()), model)


def _choices(options: Any) -> range:
    n = options.get("n")
    n = 1 if n is None else n
    if not isinstance(n, int) or not 1 <= n <= MOST_CHOICES:
        raise Refused(f"n must be a whole number from 1 to {MOST_CHOICES}", param="n")
    return range(n)


def _usage(prompt_tokens: int, answers: list[Answer]) -> Usage:
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=sum(answer.tokens for answer in answers),
        reasoning_tokens=sum(answer.reasoning_tokens for answer in answers),
        counted_by="concordat",
    )


async def _played(bodies: Iterator[dict[str, Any]], fault: Fault, usage: Usage) -> AsyncGenerator[Burst, None]:
    at_once = CHUNKS_BEFORE_CUT if fault.cut else 1 if fault.delay_seconds else CHUNKS_AT_ONCE
    has_begun = False
    while bodies_now := list(islice(bodies, at_once)):
        if has_begun and fault.cut:
            raise Unavailable("the simulator cut this stream, as its model name asks")
        if has_begun:
            await asyncio.sleep(fault.delay_seconds)
        yield [Chunk(body=body, usage=None if body["choices"] else usage) for body in bodies_now]
        has_begun = True
