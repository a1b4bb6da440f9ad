"""Asking a model: a chat or a text completion, whole or streamed.

A stream is opened before it is handed out: models that are not there, limits and vendors that fail before their first
word are ordinary errors, and the caller knows who answers before it sends a header.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from handlers.core import completions, metering, routing, transcript
from handlers.core.asks import AnyAsk, ChatAsk, Request
from handlers.core.call import Call
from handlers.core.metering import Meter, Tally
from handlers.core.routing import Attempt
from providers.errors import BrokenAnswer, ProviderError
from providers.inference.interface import ChatRequest, Chunk, Completion, Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `body` is OpenAI's JSON (`chat.completion` or `text_completion`) with the public model id."""

    attempt: Attempt
    body: dict[str, Any]
    usage: Usage
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Stream:
    """An opened stream. `chunks` carry no usage: it is in `meter.usage`, final as soon as `chunks` has ended."""

    attempt: Attempt
    chunks: AsyncIterator[Chunk]
    meter: Meter


async def complete(ask: AnyAsk, call: Call) -> Answer:
    """Raises what `routing.plan`, `metering.admit` and `routing.translate` say."""
    attempts = await metering.keep_budget(await routing.plan(ask, call))
    meter = await metering.admit(attempts[0].ask, attempts[0], call)
    bodies = []
    try:
        for number in range(ask.size):
            attempt, completion = await routing.try_each(attempts, partial(_ask_whole, number, meter))
            usage = completion.usage
            if usage is None:
                usage = await metering.count_whole(
                    attempt.ask.request(number, attempt.deployment.model), completion.body
                )
            meter.charge(attempt, usage, _finish_reason(completion.body))
            bodies.append(completion.body)
    finally:
        await meter.settle()
    body = {**_merge(bodies, ask.choices), "model": attempt.model.id}
    answer = Answer(attempt, body, meter.usage, meter.cost_micros)
    completions.enter(ask, answer, call)
    return answer


async def stream(ask: AnyAsk, call: Call) -> Stream:
    """Raises as `complete` does, up to the first chunk; `chunks` raises `CoreError` when the vendor fails later."""
    call.record.streamed = True
    attempts = await metering.keep_budget(await routing.plan(ask, call))
    meter = await metering.admit(attempts[0].ask, attempts[0], call)
    try:
        opened = await _open(0, attempts, meter)
    except BaseException:
        await meter.settle()
        raise
    chunks = _relay(ask, attempts, opened, meter)
    if isinstance(ask, ChatAsk) and ask.store:
        chunks = _keep(Stream(opened.attempt, chunks, meter), ask, call)
    return Stream(opened.attempt, chunks, meter)


async def _ask_whole(number: int, meter: Meter, attempt: Attempt) -> Completion:
    meter.begin(attempt)
    request = attempt.ask.request(number, attempt.deployment.model)
    if isinstance(request, ChatRequest):
        completion = await attempt.inference.chat(request)
    else:
        completion = await attempt.inference.complete(request)
    meter.note_first_byte()
    return completion


@dataclass(frozen=True, slots=True)
class _Opened:
    attempt: Attempt
    request: Request
    first: Chunk
    rest: AsyncGenerator[Chunk, None]


async def _open(number: int, attempts: list[Attempt], meter: Meter) -> _Opened:
    async def act(attempt: Attempt) -> _Opened:
        meter.begin(attempt)
        request = attempt.ask.request(number, attempt.deployment.model)
        if isinstance(request, ChatRequest):
            chunks = attempt.inference.stream_chat(request)
        else:
            chunks = attempt.inference.stream_complete(request)
        first = await anext(chunks, None)
        if first is None:
            raise BrokenAnswer(f"{attempt.deployment.vendor} sent an empty stream")
        meter.note_first_byte()
        return _Opened(attempt, request, first, cast(AsyncGenerator[Chunk, None], chunks))

    return (await routing.try_each(attempts, act))[1]


async def _relay(ask: AnyAsk, attempts: list[Attempt], opened: _Opened, meter: Meter) -> AsyncIterator[Chunk]:
    try:
        for number in range(ask.size):
            if number:
                opened = await _open(number, attempts, meter)
            async with aclosing(_drain(opened, meter)) as chunks:
                async for chunk in chunks:
                    yield _shift(chunk, number * ask.choices)
    finally:
        await meter.settle()


async def _keep(stream: Stream, ask: ChatAsk, call: Call) -> AsyncIterator[Chunk]:
    """Has the chat stored when the stream has ended, and not when it was cut."""
    kept = []
    async with aclosing(cast(AsyncGenerator[Chunk, None], stream.chunks)) as chunks:
        async for chunk in chunks:
            kept.append(chunk)
            yield chunk
    answer = Answer(stream.attempt, transcript.join(kept), stream.meter.usage, stream.meter.cost_micros)
    completions.enter(ask, answer, call)


async def _drain(opened: _Opened, meter: Meter) -> AsyncGenerator[Chunk, None]:
    """One vendor's stream without its usage, which is charged at the end, however that comes about."""
    sent, tally = _Sent(), Tally(meter, opened.attempt, opened.request)
    try:
        async with aclosing(opened.rest) as rest:
            if first := sent.take(opened.first):
                yield first
            async for chunk in rest:
                kept = sent.take(chunk)
                await tally.look(sent.chunks)
                if kept:
                    yield kept
    except ProviderError as error:
        raise routing.translate(error) from error
    finally:
        usage = sent.usage or await metering.count_sent(opened.request, sent.chunks)
        meter.charge(opened.attempt, usage, sent.finish_reason)


class _Sent:
    """The chunks of a stream that went out, and the usage that came with them."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.usage: Usage | None = None

    def take(self, chunk: Chunk) -> Chunk | None:
        """The chunk without its usage; None when it held nothing else."""
        if chunk.usage:
            self.usage = chunk.usage
            if not chunk.body.get("choices"):
                return None
            chunk = Chunk(body={key: value for key, value in chunk.body.items() if key != "usage"})
        self.chunks.append(chunk)
        return chunk

    @property
    def finish_reason(self) -> str | None:
        """It is near the end, so that hardly any chunk is parsed for it; None for a stream that was cut."""
        for chunk in reversed(self.chunks):
            if b'"finish_reason"' in chunk.raw and (reason := _finish_reason(chunk.body)):
                return reason
        return None


def _shift(chunk: Chunk, offset: int) -> Chunk:
    """The chunk with its choices numbered on from those of earlier prompts."""
    if not offset:
        return chunk
    choices = [{**choice, "index": choice.get("index", 0) + offset} for choice in chunk.body["choices"]]
    return Chunk(body={**chunk.body, "choices": choices})


def _merge(bodies: list[dict[str, Any]], choices_each: int) -> dict[str, Any]:
    if len(bodies) == 1:
        return bodies[0]
    choices = [
        {**choice, "index": choice.get("index", 0) + number * choices_each}
        for number, body in enumerate(bodies)
        for choice in body["choices"]
    ]
    return {**bodies[0], "choices": choices}


def _finish_reason(body: dict[str, Any]) -> str | None:
    reasons = [choice.get("finish_reason") for choice in body.get("choices") or []]
    return next((reason for reason in reasons if reason), None)
