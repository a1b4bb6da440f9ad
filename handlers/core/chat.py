"""Asking a model: a chat or a text completion, whole or streamed.

A stream is opened before it is handed out: models that are not there, limits and vendors that fail before their first
word are ordinary errors, and the caller knows who answers before it sends a header.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar, cast

from handlers.core import completions, metering, replay, routing, structured, transcript, trials
from handlers.core.asks import AnyAsk, ChatAsk, Request
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.metering import Meter, Tally
from handlers.core.pictures import bring_pictures
from handlers.core.routing import Attempt
from handlers.core.streams import begin
from handlers.core.structured import Terms
from handlers.core.trials import Hedge
from providers.errors import BrokenAnswer, ProviderError
from providers.inference.interface import ChatRequest, Chunk, Completion, Usage

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `body` is OpenAI's JSON (`chat.completion` or `text_completion`) with the public model id."""

    attempt: Attempt
    body: dict[str, Any]
    meter: Meter

    @property
    def usage(self) -> Usage:
        return self.meter.usage

    @property
    def cost_micros(self) -> int:
        return self.meter.cost_micros


@dataclass(frozen=True, slots=True)
class Stream:
    """An opened stream. `chunks` carry no usage: it is in `meter.usage`, final as soon as `chunks` has ended."""

    attempt: Attempt
    chunks: AsyncIterator[Chunk]
    meter: Meter


async def complete(ask: AnyAsk, call: Call) -> Answer:
    """Raises what `routing.plan`, `metering.admit`, `trials.try_each` and `structured.mismatch` say."""
    taken = await call.services.capture.take(ask, call)
    answering = _plan_and_complete(ask, call)
    answer = await (answering if taken is None else taken.answer(answering))
    completions.enter(ask, answer, call)
    return answer


async def stream(ask: AnyAsk, call: Call) -> Stream:
    """Raises as `complete` does, up to the first chunk; `chunks` raises `CoreError` when the vendor fails later, or
    instead of the chunk that would end an answer which does not fit its strict schema: what was sent cannot be taken
    back, and holding it back would leave nothing of the stream."""
    call.record.streamed = True
    taken = await call.services.capture.take(ask, call)
    opening = _plan_and_stream(ask, call)
    opened = await (opening if taken is None else taken.stream(opening))
    call.gauge.fallback_count = opened.attempt.number
    if isinstance(ask, ChatAsk) and ask.store:
        opened = replace(opened, chunks=_store(opened, ask, call))
    return replace(opened, chunks=await begin(cast(AsyncGenerator[Chunk, None], opened.chunks)))


async def admit(ask: AnyAsk, call: Call) -> tuple[Attempt, Meter]:
    """Holds a request to all that `complete` would before it asks, for one that is done later; says who would be asked
    first. Raises what `routing.plan` and `metering.admit` say."""
    attempts = await metering.keep_affordable(await routing.plan(ask, call), call)
    first, *_ = await metering.keep_budget(attempts)
    meter = await metering.admit(first.ask, first, call)
    meter.begin(first)
    return first, meter


async def _plan_and_complete(ask: AnyAsk, call: Call) -> Answer:
    return await _recall_or_complete(await routing.plan(ask, call), call)


async def _plan_and_stream(ask: AnyAsk, call: Call) -> Stream:
    return await _recall_or_stream(await routing.plan(ask, call), call)


async def _recall_or_complete(attempts: list[Attempt], call: Call) -> Answer:
    cache = call.services.answer_cache
    key = cache.key(attempts, call)
    if key is None:
        return await _complete(attempts, call)
    if kept := await cache.find(key):
        attempt, meter = await replay.admit(kept, attempts, call)
        return Answer(attempt, replay.body(kept, attempt, call), meter)
    kept = None
    try:
        answer = await _complete(attempts, call)
        kept = replay.keep_body(answer.attempt, answer.body, answer.meter)
        return answer
    finally:
        cache.settle(key, kept)


async def _recall_or_stream(attempts: list[Attempt], call: Call) -> Stream:
    cache = call.services.answer_cache
    key = cache.key(attempts, call)
    if key is None:
        return await _stream(attempts, call)
    if kept := await cache.find(key):
        attempt, meter = await replay.admit(kept, attempts, call)
        return Stream(attempt, replay.chunks(kept, call), meter)
    try:
        opened = await _stream(attempts, call)
    except BaseException:
        cache.settle(key, None)
        raise
    return replace(opened, chunks=replay.tape(opened, partial(cache.settle, key)))


async def _complete(attempts: list[Attempt], call: Call) -> Answer:
    attempts = await metering.keep_affordable(attempts, call)
    attempts = await metering.keep_budget(attempts)
    first = attempts[0]
    meter = await metering.admit(first.ask, first, call)
    bodies: list[tuple[dict[str, Any], int]] = []
    try:
        for number in range(first.ask.size):
            attempt, body = await _answer(number, attempts, meter)
            bodies.append((body, attempt.ask.choices))
        call.outlive_client()  # it is paid for: what is left is to keep it
    finally:
        await meter.settle()
    return Answer(attempt, {**_merge(bodies), "model": attempt.model.id}, meter)


async def _stream(attempts: list[Attempt], call: Call) -> Stream:
    attempts = await metering.keep_affordable(attempts, call)
    attempts = await metering.keep_budget(attempts)
    meter = await metering.admit(attempts[0].ask, attempts[0], call)
    try:
        opened = await _open(0, attempts, meter)
    except BaseException:
        await meter.settle()
        raise
    return Stream(opened.attempt, _relay(attempts, opened, meter), meter)


async def _answer(number: int, attempts: list[Attempt], meter: Meter) -> tuple[Attempt, dict[str, Any]]:
    """One answer, that fits the strict schema if one was given: the model gets a second chance."""
    attempt, body = await _ask_each(number, attempts, meter)
    terms = structured.terms_of(attempt.ask)
    fault = terms.find_fault(body) if terms else None
    if terms is None or fault is None:
        return attempt, body
    again = [
        replace(one, ask=structured.ask_again(one.ask, body, fault)) for one in attempts if isinstance(one.ask, ChatAsk)
    ]
    try:
        again = await metering.keep_budget(again, meter.cost_micros)
    except Invalid:
        raise structured.mismatch(fault) from None
    attempt, body = await _ask_each(number, again, meter)
    if fault := terms.find_fault(body):
        raise structured.mismatch(fault)
    return attempt, body


async def _ask_each(number: int, attempts: list[Attempt], meter: Meter) -> tuple[Attempt, dict[str, Any]]:
    act = partial(_ask_whole, number, meter)
    attempt, completion = await trials.try_each(attempts, act, meter.call, _hedge(attempts, _nothing))
    meter.begin(attempt)
    usage = completion.usage
    if usage is None:
        usage = await metering.count_whole(attempt.ask.request(number, attempt.deployment.model), completion.body)
    meter.note_tier(completion.body.get("service_tier"))
    meter.charge(attempt, usage, _finish_reason(completion.body))
    return attempt, completion.body


async def _ask_whole(number: int, meter: Meter, attempt: Attempt) -> Completion:
    meter.begin(attempt)
    request = await bring_pictures(attempt.ask.request(number, attempt.deployment.model), attempt, meter.call)
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
        meter.call.begin_record()
        asked = attempt.ask.request(number, attempt.deployment.model)
        request = await bring_pictures(asked, attempt, meter.call)
        if isinstance(request, ChatRequest):
            chunks = attempt.inference.stream_chat(request)
        else:
            chunks = attempt.inference.stream_complete(request)
        first = await anext(chunks, None)
        if first is None:
            raise BrokenAnswer(f"{attempt.deployment.vendor} sent an empty stream")
        meter.note_first_byte()
        return _Opened(attempt, asked, first, cast(AsyncGenerator[Chunk, None], chunks))

    attempt, opened = await trials.try_each(attempts, act, meter.call, _hedge(attempts, _close))
    meter.begin(attempt)
    return opened


async def _close(opened: _Opened) -> None:
    await opened.rest.aclose()


async def _nothing(_: Completion) -> None:
    """A whole answer leaves nothing open."""


def _hedge(attempts: list[Attempt], drop: Callable[[Result], Awaitable[object]]) -> Hedge[Result] | None:
    after_seconds = attempts[0].ask.steering.hedge_after_seconds
    return None if after_seconds is None else Hedge(after_seconds, drop)


async def _relay(attempts: list[Attempt], opened: _Opened, meter: Meter) -> AsyncIterator[Chunk]:
    offset = 0
    try:
        for number in range(opened.attempt.ask.size):
            if number:
                opened = await _open(number, attempts, meter)
            async with aclosing(_drain(opened, meter)) as chunks:
                async for chunk in chunks:
                    yield _shift(chunk, offset) if offset else chunk
            offset += opened.attempt.ask.choices
    finally:
        await meter.settle()


async def _store(stream: Stream, ask: ChatAsk, call: Call) -> AsyncIterator[Chunk]:
    """Has the chat stored when the stream has ended, and not when it was cut."""
    sent = []
    async with aclosing(cast(AsyncGenerator[Chunk, None], stream.chunks)) as chunks:
        async for chunk in chunks:
            sent.append(chunk)
            yield chunk
    completions.enter(ask, Answer(stream.attempt, await transcript.join_all(sent), stream.meter), call)


async def _drain(opened: _Opened, meter: Meter) -> AsyncGenerator[Chunk, None]:
    """One vendor's stream without its usage, which is charged at the end, however that comes about."""
    sent, tally = _Sent(structured.terms_of(opened.attempt.ask)), Tally(meter, opened.attempt, opened.request)
    try:
        async with aclosing(opened.rest) as rest:
            if first := sent.take(opened.first):
                yield first
            async for chunk in rest:
                kept = sent.take(chunk)
                if tally.is_due:
                    await tally.look(sent.chunks)
                if kept:
                    yield kept
        if sent.fault is not None:
            raise structured.mismatch(sent.fault)
    except ProviderError as error:
        if trials.is_failure(error):
            meter.call.services.breakers.fail(opened.attempt.deployment)
        raise routing.translate(error) from error
    finally:
        usage = sent.usage or await metering.count_sent(opened.request, sent.chunks)
        meter.note_tier(sent.service_tier)
        meter.charge(opened.attempt, usage, sent.finish_reason)


class _Sent:
    """The chunks of a stream, and the usage that came with them. From the first `fault` on none goes out; they are
    read to their end for the usage."""

    def __init__(self, terms: Terms | None) -> None:
        self.chunks: list[Chunk] = []
        self.usage: Usage | None = None
        self.fault: str | None = None
        self._terms = terms

    def take(self, chunk: Chunk) -> Chunk | None:
        """The chunk without its usage; None when there is nothing to send."""
        if chunk.usage:
            self.usage = chunk.usage
            if not chunk.body.get("choices"):
                return None
            chunk = Chunk(body={key: value for key, value in chunk.body.items() if key != "usage"})
        self.chunks.append(chunk)
        if (
            self._terms is not None
            and self.fault is None
            and b'"finish_reason"' in chunk.raw
            and _finish_reason(chunk.body)
        ):
            self.fault = self._terms.find_fault(transcript.join(self.chunks))
        return chunk if self.fault is None else None

    @property
    def service_tier(self) -> object:
        """As the last chunk has it."""
        return self.chunks[-1].body.get("service_tier") if self.chunks else None

    @property
    def finish_reason(self) -> str | None:
        """It is near the end, so that hardly any chunk is parsed for it; None for a stream that was cut."""
        for chunk in reversed(self.chunks):
            if b'"finish_reason"' in chunk.raw and (reason := _finish_reason(chunk.body)):
                return reason
        return None


def _shift(chunk: Chunk, offset: int) -> Chunk:
    """The chunk with its choices numbered on from those of earlier prompts."""
    choices = [{**choice, "index": choice.get("index", 0) + offset} for choice in chunk.body["choices"]]
    return Chunk(body={**chunk.body, "choices": choices})


def _merge(bodies: list[tuple[dict[str, Any], int]]) -> dict[str, Any]:
    """Each body goes with how many choices it was asked for."""
    choices: list[dict[str, Any]] = []
    offset = 0
    for body, size in bodies:
        choices += [{**choice, "index": choice.get("index", 0) + offset} for choice in body["choices"]]
        offset += size
    first, _ = bodies[0]
    return first if len(bodies) == 1 else {**first, "choices": choices}


def _finish_reason(body: dict[str, Any]) -> str | None:
    reasons = [choice.get("finish_reason") for choice in body.get("choices") or []]
    return next((reason for reason in reasons if reason), None)
