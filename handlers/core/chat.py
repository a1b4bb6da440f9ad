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
from handlers.core.errors import CoreError, Invalid
from handlers.core.metering import Meter, Tally
from handlers.core.pictures import bring_pictures
from handlers.core.routing import Attempt
from handlers.core.streams import begin
from handlers.core.transcript import Said
from handlers.core.trials import Hedge
from providers.errors import BrokenAnswer, ProviderError
from providers.inference.interface import Burst, ChatRequest, Chunk, Completion, Usage, each

Result = TypeVar("Result")


@dataclass(slots=True)
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
    """An opened stream. `bursts` carry no usage: it is in `meter.usage`, final as soon as they have ended."""

    attempt: Attempt
    bursts: AsyncIterator[Burst]
    meter: Meter


async def complete(ask: AnyAsk, call: Call) -> Answer:
    """Raises what `routing.plan`, `metering.admit`, `trials.try_each` and `structured.mismatch` say."""
    taken = await call.services.capture.take(ask, call)
    answering = _plan_and_complete(ask, call)
    answer = await (answering if taken is None else taken.answer(answering))
    completions.enter(ask, answer, call)
    return answer


async def stream(ask: AnyAsk, call: Call) -> Stream:
    """Raises as `complete` does, up to the first chunk; `bursts` raises `CoreError` when the vendor fails later, or
    instead of the chunk that would end an answer which does not fit its strict schema: what was sent cannot be taken
    back, and holding it back would leave nothing of the stream."""
    call.record.streamed = True
    taken = await call.services.capture.take(ask, call)
    opening = _plan_and_stream(ask, call)
    opened = await (opening if taken is None else taken.stream(opening))
    call.gauge.fallback_count = opened.attempt.number
    if isinstance(ask, ChatAsk) and ask.store:
        opened = replace(opened, bursts=_store(opened, ask, call))
    return replace(opened, bursts=await begin(cast(AsyncGenerator[Burst, None], opened.bursts)))


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
        return Stream(attempt, replay.bursts(kept, call), meter)
    try:
        opened = await _stream(attempts, call)
    except BaseException:
        cache.settle(key, None)
        raise
    return replace(opened, bursts=replay.tape(opened, partial(cache.settle, key)))


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
    first: Burst
    rest: AsyncGenerator[Burst, None]


async def _open(number: int, attempts: list[Attempt], meter: Meter) -> _Opened:
    async def act(attempt: Attempt) -> _Opened:
        meter.begin(attempt)
        meter.call.begin_record()
        asked = attempt.ask.request(number, attempt.deployment.model)
        request = await bring_pictures(asked, attempt, meter.call)
        if isinstance(request, ChatRequest):
            bursts = attempt.inference.stream_chat(request)
        else:
            bursts = attempt.inference.stream_complete(request)
        first = await anext(bursts, None)
        if first is None:
            raise BrokenAnswer(f"{attempt.deployment.vendor} sent an empty stream")
        meter.note_first_byte()
        return _Opened(attempt, asked, first, cast(AsyncGenerator[Burst, None], bursts))

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


async def _relay(attempts: list[Attempt], opened: _Opened, meter: Meter) -> AsyncIterator[Burst]:
    """One prompt's stream after the other, without their usage: each is charged at its end, however that comes
    about."""
    offset = 0
    try:
        for number in range(opened.attempt.ask.size):
            if number:
                opened = await _open(number, attempts, meter)
            sent = _Sent(opened, meter)
            try:
                async with aclosing(opened.rest) as rest:
                    if kept := sent.take(opened.first):
                        yield _shift(kept, offset) if offset else kept
                    async for burst in rest:
                        kept = sent.take(burst)
                        if sent.tally.is_due:
                            await sent.tally.look(sent.said.pieces)
                        if kept:
                            yield _shift(kept, offset) if offset else kept
                if sent.fault is not None:
                    raise structured.mismatch(sent.fault)
            except ProviderError as error:
                raise _told(error, opened, meter) from error
            finally:
                await sent.charge()
            offset += opened.attempt.ask.choices
    finally:
        await meter.settle()


def _told(error: ProviderError, opened: _Opened, meter: Meter) -> CoreError:
    if trials.is_failure(error):
        meter.call.services.breakers.fail(opened.attempt.deployment)
    return routing.translate(error)


async def _store(stream: Stream, ask: ChatAsk, call: Call) -> AsyncIterator[Burst]:
    """Has the chat stored when the stream has ended, and not when it was cut."""
    said = Said()
    async with aclosing(cast(AsyncGenerator[Burst, None], stream.bursts)) as bursts:
        async for burst in bursts:
            for piece in burst:
                said.add(piece)
            yield burst
    completions.enter(ask, Answer(stream.attempt, await transcript.join_all(said.pieces), stream.meter), call)


class _Sent:
    """What one vendor's stream has said, and the usage that came with it. From the first `fault` on nothing goes out;
    it is read to its end for the usage."""

    def __init__(self, opened: _Opened, meter: Meter) -> None:
        self.said = Said()
        self.fault: str | None = None
        self.tally = Tally(meter, opened.attempt, opened.request)
        self._opened = opened
        self._meter = meter
        self._usage: Usage | None = None
        self._terms = structured.terms_of(opened.attempt.ask)

    def take(self, burst: Burst) -> Burst:
        """What of it is to be sent: all but the usage."""
        kept: Burst = []
        for given in burst:
            piece = given
            if given.usage:
                self._usage, body = given.usage, given.whole.body
                if not body.get("choices"):
                    continue
                piece = Chunk(body={name: value for name, value in body.items() if name != "usage"})
            self.said.add(piece)
            if self._terms is not None and self.fault is None and type(piece) is Chunk and _ends(piece):
                self.fault = self._terms.find_fault(transcript.join(self.said.pieces))
            if self.fault is None:
                kept.append(piece)
        return kept

    async def charge(self) -> None:
        pieces = self.said.pieces
        usage = self._usage or await metering.count_sent(self._opened.request, pieces)
        if pieces:
            self._meter.note_tier(pieces[-1].whole.body.get("service_tier"))  # as the last chunk has it
        self._meter.charge(self._opened.attempt, usage, self._finish_reason)

    @property
    def _finish_reason(self) -> str | None:
        """It is near the end, so that hardly any chunk is parsed for it; None for a stream that was cut."""
        chunks = (piece for piece in reversed(self.said.pieces) if type(piece) is Chunk)
        return next((reason for chunk in chunks if (reason := _ends(chunk))), None)


def _ends(chunk: Chunk) -> str | None:
    """Why, if it does end a choice."""
    return _finish_reason(chunk.body) if b'"finish_reason"' in chunk.raw else None


def _shift(burst: Burst, offset: int) -> Burst:
    """With its choices numbered on from those of earlier prompts."""
    bodies = [chunk.body for chunk in each(burst)]
    return [Chunk(body={**body, "choices": _renumber(body["choices"], offset)}) for body in bodies]


def _renumber(choices: list[dict[str, Any]], offset: int) -> list[dict[str, Any]]:
    return [{**choice, "index": choice.get("index", 0) + offset} for choice in choices]


def _merge(bodies: list[tuple[dict[str, Any], int]]) -> dict[str, Any]:
    """Each body goes with how many choices it was asked for."""
    choices: list[dict[str, Any]] = []
    offset = 0
    for body, size in bodies:
        choices += _renumber(body["choices"], offset)
        offset += size
    first, _ = bodies[0]
    return first if len(bodies) == 1 else {**first, "choices": choices}


def _finish_reason(body: dict[str, Any]) -> str | None:
    for choice in body.get("choices") or []:
        if reason := choice.get("finish_reason"):
            return str(reason)
    return None
