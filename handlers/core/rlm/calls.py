"""Asking the model for a run: each call is a chat like any other, with a record of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import ceil
from typing import Any, TypeVar

import orjson

from handlers.core import chat, metering
from handlers.core.asks import ChatAsk, Message
from handlers.core.call import Call
from handlers.core.catalog import Model
from handlers.core.errors import CoreError, Invalid, PaymentRequired, RateLimited
from handlers.core.kinds import KINDS
from handlers.core.pricing import pick_price
from handlers.core.record_json import pack_record
from handlers.core.responses.response import new_id
from handlers.core.rlm.ask import RlmAsk
from handlers.core.rlm.journal import CALL, Journal
from handlers.core.rlm.limits import Budget, Exhausted, Grant, out_of_budget
from handlers.core.rlm.outcome import Totals
from handlers.core.routing import Attempt
from storage.ledger_record import Record

Result = TypeVar("Result")

AT_ONCE = 8
"""How many calls of one run are under way at the same time."""
MOST_WAITS = 20
"""How often a call waits for a limit to let it through."""
LIKELY_TOKENS = 4096
"""How long an answer is taken to be when its cost is estimated."""
USUAL_CONTEXT_TOKENS = 32_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a call is made: the same in each execution of it. `crowd` is how many are made together."""

    path: str
    depth: int
    crowd: int = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One run. `attempt` is the place that the model is asked first."""

    response_id: str
    ask: RlmAsk
    call: Call
    attempt: Attempt
    journal: Journal
    created_at: float
    totals: Totals = field(default_factory=Totals)

    @property
    def context_tokens(self) -> int:
        return context_tokens(self.attempt.model)


class Asker:
    """Makes the model calls of one run, within its budget."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._gate = asyncio.Semaphore(AT_ONCE)
        budget = frame.ask.bounds.max_budget_usd
        spent = frame.totals.cost_micros
        self._budget = None if budget is None else Budget(int(budget * 1_000_000) - spent)

    async def say(self, place: Place, messages: Sequence[Message], **options: Any) -> str:
        """The text of the answer."""
        return str((await self.ask(place, messages, **options)).get("content") or "")

    async def ask(self, place: Place, messages: Sequence[Message], **options: Any) -> Message:
        """The answer's message. Raises what `chat.complete` says, and `Exhausted`."""
        options = self._frame.ask.options | options
        digest = digest_of([messages, options])
        kept: Message | None = self._frame.journal.find(place.path, digest)
        if kept is not None:
            return kept
        async with self._gate:
            return await self._ask_patiently(_Wanted(place, digest, messages, options))

    async def _ask_patiently(self, wanted: _Wanted) -> Message:
        """A run that has begun waits where a request alone would be refused: it is many requests."""
        for _ in range(MOST_WAITS):
            try:
                return await self._ask_once(wanted)
            except RateLimited as error:
                if not self._frame.totals.output_tokens:
                    raise
                await self._frame.call.services.patience.sleep(error.retry_after_seconds)
        return await self._ask_once(wanted)

    async def _ask_once(self, wanted: _Wanted) -> Message:
        ask = ChatAsk(models=(self._frame.ask.model,), messages=wanted.messages, options=wanted.options)
        record = self._record(wanted.place)
        if self._budget is None:
            return await self._complete(ask, wanted, record)
        estimate = await self._estimate_micros(ask)
        async with self._budget.grant(estimate, wanted.place.crowd) as grant:
            try:
                return await self._complete(_hold(ask, grant, estimate), wanted, record)
            except Invalid as error:
                if error.code == "max_cost_exceeded":
                    raise out_of_budget() from error
                raise
            finally:
                grant.cost_micros = record.cost_micros

    async def _complete(self, chat_ask: ChatAsk, wanted: _Wanted, record: Record) -> Message:
        """However it ends, it is recorded once: what was noted and not recorded is recorded when the run goes on."""
        call = self._frame.call.part(record)
        record.state = "interrupted"
        try:
            answer = await chat.complete(chat_ask, call)
            self._close(record, "completed", 200)
            message = _plain(answer.body["choices"][0])
            entry = {"place": wanted.place.path, "digest": wanted.digest, "value": message}
            await self._frame.journal.note(CALL, entry | {"record": pack_record(record)})
            return message
        except CoreError as error:
            record.error_code = error.code
            self._close(record, "failed", error.status)
            raise
        finally:
            self._frame.totals.add(record)
            call.services.ledger.post(record)

    def _record(self, place: Place) -> Record:
        """Of a call that has not begun; it names the request that it is made for."""
        call, services = self._frame.call, self._frame.call.services
        parent = {
            "response_id": self._frame.response_id,
            "request_id": call.request_id,
            "place": place.path,
            "depth": place.depth,
        }
        return Record(
            request_id=new_id("req", call),
            api=call.api,
            operation_id=call.operation_id,
            started_at=services.clock(),
            project_id=call.caller.project_id or None,
            key_id=call.caller.key_id,
            metadata={"rlm": parent},
            kind=KINDS["chat_completions_create"],
        )

    def _close(self, record: Record, state: Any, status: int) -> None:
        record.state, record.http_status = state, status
        record.duration_us = int((self._frame.call.services.clock() - record.started_at) * 1_000_000)

    async def _estimate_micros(self, ask: ChatAsk) -> int:
        model, vendor = self._frame.attempt.model, self._frame.attempt.deployment.vendor
        prompt_tokens = await metering.count_prompts(ask)
        price = pick_price(model, vendor, prompt_tokens)
        answer_tokens = min(ask.max_tokens or LIKELY_TOKENS, LIKELY_TOKENS)
        return ceil(prompt_tokens * price.input_usd + answer_tokens * price.output_usd) if price else 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    place: Place
    digest: str
    messages: Sequence[Message]
    options: Mapping[str, Any]


def _hold(ask: ChatAsk, grant: Grant, estimate_micros: int) -> ChatAsk:
    """The request held to its grant, which may set a closer limit than the request does."""
    is_short = grant.most_micros < estimate_micros
    options = {name: value for name, value in ask.options.items() if not is_short or name != "max_completion_tokens"}
    return replace(ask, options=options, max_cost_usd=grant.most_usd)


def context_tokens(model: Model) -> int:
    """What the model can read, or is taken to read when nobody says."""
    return model.context_tokens or USUAL_CONTEXT_TOKENS


def digest_of(value: Any) -> str:
    return sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def is_fatal(error: CoreError) -> bool:
    """Whether no other call of the run can succeed where this one failed."""
    return isinstance(error, PaymentRequired | Exhausted) and error.code != "max_iterations_exceeded"


async def together(works: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """In the order of `works`. The first that fails ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except* CoreError as failed:
        error: BaseException = failed
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    return [task.result() for task in tasks]


def _plain(choice: Mapping[str, Any]) -> Message:
    """What goes back into a conversation."""
    message = choice["message"]
    kept = {name: message[name] for name in ("content", "tool_calls") if message.get(name)}
    return {"role": "assistant", "content": None} | kept
