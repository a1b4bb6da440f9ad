"""Making a response while its client waits: one chat, its answer as items, kept unless the caller wants it
forgotten."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

from handlers.core import chat, file_search, metering
from handlers.core.asks import AnyAsk, Burst, Chunk, each
from handlers.core.call import Call
from handlers.core.errors import CoreError, Forbidden, NotFound
from handlers.core.models import Offer, find_model, may_use
from handlers.core.responses.conversation import chat_of
from handlers.core.responses.output import Assembler, Step
from handlers.core.responses.response import Item, Response, ResponseAsk, asked_of, new_id, to_stored
from handlers.core.routing import Attempt
from handlers.core.streams import begin, ticking

CANCELLATION_SECONDS = 1.0
"""How often a stream looks whether its response was cancelled."""

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is not whole, by the chat's `finish_reason`."""


@dataclass(frozen=True, slots=True)
class Created:
    attempt: Attempt
    response: Response


@dataclass(frozen=True, slots=True)
class Queued:
    """The first event of one in the background."""

    response: Response


@dataclass(frozen=True, slots=True)
class Begun:
    response: Response


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event; what it says is stored."""

    response: Response


Event = Queued | Begun | Step | Ended


@dataclass(frozen=True, slots=True)
class Running:
    attempt: Attempt
    events: AsyncIterator[Event]


async def create(ask: ResponseAsk, call: Call) -> Created:
    """Raises what `chat_of` and `chat.complete` say; then nothing is kept."""
    answer = await file_search.complete(await chat_of(ask, call), ask.file_search, call)
    output, reason = read_answer(answer.body, _assembler(ask, call))
    response = replace(
        _draft(ask, answer.attempt, call),
        status="incomplete" if reason else "completed",
        incomplete_reason=reason,
        output=output,
        usage=answer.usage,
    )
    if ask.store:
        await call.services.responses.insert(to_stored(response, call))
    return Created(answer.attempt, response)


def read_answer(body: Mapping[str, Any], assembler: Assembler) -> tuple[list[Item], str | None]:
    """The items of a whole chat, and why it is not whole, should that be so."""
    choice = body["choices"][0]
    for _ in assembler.feed(choice["message"]):
        pass
    reason = INCOMPLETE.get(choice.get("finish_reason"))
    for _ in assembler.finish(cut=reason is not None):
        pass
    return assembler.output, reason


async def stream(ask: ResponseAsk, call: Call) -> Running:
    """Raises as `create` does, up to the first event. What happens later is told by the last event and kept: a
    vendor's failure as `failed`, a reader that left as `cancelled`."""
    opened = await file_search.stream(await chat_of(ask, call), ask.file_search, call)
    return Running(opened.attempt, await begin(_Relay(ask, opened, call).events()))


async def count_input(ask: ResponseAsk, call: Call) -> int:
    """Tokens of the whole prompt, with what a container adds, without asking a model; `ask.model` may be empty, and is
    then not looked at."""
    offer = await _offer(ask.model, call) if ask.model else None
    asked: AnyAsk = await chat_of(ask, call)
    if offer is not None and offer.route is not None:
        asked = offer.route.apply(asked)
    return await metering.count_prompts(asked)


async def _offer(model_id: str, call: Call) -> Offer:
    offer = await find_model(model_id, call)
    if offer is None:
        raise NotFound(f"there is no model {model_id}", code="model_not_found", param="model")
    if not may_use(offer.served.id, call):
        raise Forbidden(f"this key may not use {model_id}", code="model_not_allowed", param="model")
    return offer


def _assembler(ask: ResponseAsk, call: Call) -> Assembler:
    return Assembler(lambda noun: new_id(noun, call), ask.show_reasoning)


def _draft(ask: ResponseAsk, attempt: Attempt, call: Call) -> Response:
    return Response(
        id=new_id("resp", call),
        created_at=call.record.started_at,
        model=attempt.model.id,
        status="in_progress",
        input=ask.items,
        previous_response_id=ask.previous_response_id,
        shown=ask.shown,
        asked=asked_of(ask),
    )


class _Relay:
    """One stream. Its response is kept as running before the first event, and as it ended before the last."""

    def __init__(self, ask: ResponseAsk, opened: chat.Stream, call: Call) -> None:
        self._ask = ask
        self._opened = opened
        self._call = call
        self._draft = _draft(ask, opened.attempt, call)
        self._assembler = _assembler(ask, call)
        self._finish_reason: str | None = None
        self._looked_at = call.services.clock()
        self._begun = self._ended = False

    async def events(self) -> AsyncGenerator[Event, None]:
        is_cancelled = False
        try:
            async with aclosing(cast(AsyncGenerator[Burst, None], self._opened.bursts)) as bursts:
                await self._begin()
                yield Begun(self._draft)
                async with aclosing(ticking(bursts, CANCELLATION_SECONDS)) as ticks:
                    async for burst in ticks:
                        if is_cancelled := await self._is_cancelled(silent=burst is None):
                            break
                        for step in [step for chunk in each(burst or []) for step in self._take(chunk)]:
                            yield step
            reason = INCOMPLETE.get(self._finish_reason or "")
            for step in self._assembler.finish(cut=is_cancelled or reason is not None):
                yield step
            status = "cancelled" if is_cancelled else "incomplete" if reason else "completed"
            response = await self._end(status, incomplete_reason=reason)
        except CoreError as error:
            if not self._begun:
                raise
            self._call.record.error_code = error.code
            response = await self._end("failed", error={"code": error.code, "message": error.message})
        finally:
            if self._begun and not self._ended:
                await self._end("cancelled")
        yield Ended(response)

    async def _begin(self) -> None:
        if self._ask.store:
            await self._call.services.responses.insert(to_stored(self._draft, self._call))
        self._begun = True

    def _take(self, chunk: Chunk) -> list[Step]:
        steps: list[Step] = []
        for choice in chunk.body.get("choices") or []:
            steps += self._assembler.feed(choice.get("delta") or {})
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
        return steps

    async def _is_cancelled(self, *, silent: bool) -> bool:
        """By whoever has the response's id, in this process or another. `silent` says that nothing came for so long
        as it takes until another look."""
        now = self._call.services.clock()
        if not self._ask.store or not (silent or now - self._looked_at >= CANCELLATION_SECONDS):
            return False
        self._looked_at = now
        found = await self._call.services.responses.status(self._call.caller.project_id, self._draft.id)
        return found == "cancelled"

    async def _end(
        self, status: str, *, incomplete_reason: str | None = None, error: Mapping[str, Any] | None = None
    ) -> Response:
        self._ended = True
        for _ in self._assembler.finish(cut=True):
            pass
        response = replace(
            self._draft,
            status=status,
            output=self._assembler.output,
            usage=self._opened.meter.usage,
            incomplete_reason=incomplete_reason,
            error=error,
        )
        if self._ask.store:
            kept = await self._call.services.responses.finish(to_stored(response, self._call))
            if kept == "cancelled":
                response = replace(response, status=kept)
        return response
