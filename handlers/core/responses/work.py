"""The job that makes a response: asks a model, tells what it says, and keeps what came of it.

A process that dies in the middle of an answer leaves what it has told; the next one asks again and goes on from there
(`retelling.py`). Only the last answer is billed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, cast

from handlers.core import file_search
from handlers.core.asks import Burst, Usage, each
from handlers.core.call import Call, Caller
from handlers.core.errors import CoreError, NotFound
from handlers.core.jobs import Definition, JobEvent, Run, StepFailed
from handlers.core.record_json import pack_record, unpack_record
from handlers.core.responses.output import Assembler
from handlers.core.responses.response import Response, from_stored, to_stored
from handlers.core.responses.retelling import Delta, Retelling
from handlers.core.responses.run import INCOMPLETE, read_answer
from handlers.core.responses.script import (
    AGAIN,
    BEGUN,
    KIND,
    SAID,
    assembler_of,
    play,
    said_last,
    unpack_caller,
    unpack_chat,
    unpack_search,
)
from handlers.core.streams import ticking
from storage.errors import StorageError
from storage.ledger_record import Record, State

TOLD_SECONDS = 0.1
"""How long what a model says is gathered before it is told: each telling is a transaction."""
_STATES: Mapping[str, State] = {"failed": "failed", "cancelled": "interrupted"}
"""What the record says of a response that did not come to an end of its own."""
_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_REASONING = "reasoning_content"
_SAID = ("file_search", _REASONING, "content", "annotations", "refusal", "tool_calls")


async def work(run: Run) -> str:
    """Answers the response's status."""
    making = _Making(run)
    try:
        try:
            outcome = await run.step("ask", making.ask)
        except StepFailed as error:
            outcome = making.failure(error)
        status: str = await run.step("keep", lambda: making.keep(outcome))
    except asyncio.CancelledError:
        await making.give_up()
        raise
    return status


DEFINITION = Definition(KIND, work)


@dataclass(slots=True)
class _Admitted:
    """Stands for the quota: the request was admitted when it was asked, and is settled when all is kept."""

    tokens: int = 0
    cost_micros: int = 0

    async def admit(self, caller: Caller, tokens_estimate: int, *, free: bool = False) -> None:
        return None

    async def is_solvent(self, caller: Caller) -> bool:
        return True

    async def settle(self, admission: Any, *, tokens: int, cost_micros: int) -> None:
        """A response may take several requests to vendors."""
        self.tokens, self.cost_micros = self.tokens + tokens, self.cost_micros + cost_micros

    def pack(self, admission: Any) -> Any:
        return admission

    def unpack(self, packed: Any) -> Any:
        return packed


class _Making:
    """One execution. How far it has got is here, should it be called off."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._services = run.services
        self._is_kept = False
        self._start_over()

    def _start_over(self) -> None:
        self._admitted = _Admitted()
        self._assembler = assembler_of(self._run.job.id)
        record = unpack_record(self._run.input["record"])
        self._call = Call(
            services=replace(self._services, quota=self._admitted),
            api=record.api,
            operation_id=record.operation_id,
            request_id=record.request_id,
            headers={},
            record=record,
            who=unpack_caller(self._run.input),
        )

    async def ask(self) -> dict[str, Any]:
        """An `_Outcome`. Raises only `StorageError`."""
        self._start_over()
        told = await self._run.told_before()
        await self._services.responses.begin(self._run.project_id, self._run.job.id)
        with suppress(StorageError):  # from here on the record is this process's
            self._services.ledger.post(self._call.record)
        if not told:
            await self._run.emit(BEGUN, None)
        for event in told:
            for _ in play(event, self._assembler):
                pass
        try:
            reason = await (self._stream(told) if self._run.input["stream"] else self._complete())
        except CoreError as error:
            return self.failure(error)
        return self._outcome("incomplete" if reason else "completed", incomplete_reason=reason)

    def failure(self, error: CoreError) -> dict[str, Any]:
        self._call.record.error_code = error.code
        return self._outcome("failed", error={"code": error.code, "message": error.message})

    async def keep(self, outcome: Mapping[str, Any]) -> str:
        """Bills the response, then writes its end; done again, it does the same. Answers the status, which for one
        that was cancelled or deleted meanwhile is that."""
        responses, record = self._services.responses, unpack_record(outcome["record"])
        stored = await responses.get(self._run.project_id, self._run.job.id)
        status: str = outcome["status"]
        if stored is None or stored.status == "cancelled":
            status = "cancelled"
        if status == "cancelled":
            record.error_code = "cancelled"
        record.state = _STATES.get(status, "completed")
        await self._services.ledger.finish(record)
        await self._settle(outcome)
        if stored is not None:
            await responses.finish(to_stored(_ended(from_stored(stored), outcome, record), self._call))
        self._is_kept = True
        return status

    async def give_up(self) -> None:
        """It is stopped: to go on elsewhere or, when it was cancelled, for good."""
        with suppress(StorageError):
            if not self._is_kept and await self._is_cancelled():
                await self.keep(self._outcome("cancelled"))

    async def _is_cancelled(self) -> bool:
        try:
            job = await self._services.jobs.get(self._run.project_id, self._run.job.id)
        except NotFound:  # its response was deleted
            return True
        return job.is_cancelling

    async def _complete(self) -> str | None:
        """Why the answer is not whole, should that be so."""
        input = self._run.input
        answer = await file_search.complete(unpack_chat(input), unpack_search(input), self._call)
        (choice, *_) = answer.body["choices"]
        body = {"choices": [{**choice, "message": self._visible(choice["message"])}]}
        _, reason = read_answer(body, self._assembler)
        return reason

    async def _stream(self, told: Sequence[JobEvent]) -> str | None:
        input = self._run.input
        opened = await file_search.stream(unpack_chat(input), unpack_search(input), self._call)
        telling, finish_reason = _Telling(self._run, self._assembler, told), None
        try:
            async with (
                aclosing(cast(AsyncGenerator[Burst, None], opened.bursts)) as bursts,
                aclosing(ticking(bursts, TOLD_SECONDS)) as ticks,
            ):
                async for burst in ticks:
                    for choice in [choice for chunk in each(burst or []) for choice in chunk.body.get("choices") or []]:
                        telling.take(self._visible(choice.get("delta") or {}))
                        finish_reason = choice.get("finish_reason") or finish_reason
                    await telling.tell(at_once=burst is None)
            telling.finish()
        finally:  # also what was said before it failed
            await telling.tell(at_once=True)
        return INCOMPLETE.get(finish_reason or "")

    def _visible(self, delta: Mapping[str, Any]) -> Delta:
        hidden = () if self._run.input["show_reasoning"] else (_REASONING,)
        return {name: delta[name] for name in _SAID if delta.get(name) and name not in hidden}

    def _outcome(self, status: str, *, error: Any = None, incomplete_reason: str | None = None) -> dict[str, Any]:
        """How it ended, as JSON."""
        for _ in self._assembler.finish(cut=status != "completed"):
            pass
        record = self._call.record
        record.http_status = 200
        record.duration_us = int((self._services.clock() - record.started_at) * 1_000_000)
        return {
            "status": status,
            "output": self._assembler.output,
            "error": error,
            "incomplete_reason": incomplete_reason,
            "record": pack_record(record),
            "tokens": self._admitted.tokens,
            "cost_micros": self._admitted.cost_micros,
        }

    async def _settle(self, outcome: Mapping[str, Any]) -> None:
        """After a crash nothing is given back: it may have been given back before."""
        quota = self._services.quota
        admission = quota.unpack(self._run.input["admission"])
        tokens = max(outcome["tokens"], admission.tokens) if self._run.job.crashes else outcome["tokens"]
        await quota.settle(admission, tokens=tokens, cost_micros=outcome["cost_micros"])


def _ended(response: Response, outcome: Mapping[str, Any], record: Record) -> Response:
    return replace(
        response,
        status=outcome["status"],
        model=record.model or response.model,
        output=outcome["output"],
        usage=Usage(**{name: getattr(record, name) for name in _COUNTS}),
        error=outcome["error"],
        incomplete_reason=outcome["incomplete_reason"],
    )


class _Telling:
    """Gathers what a model says, and tells it now and then."""

    def __init__(self, run: Run, assembler: Assembler, told: Sequence[JobEvent]) -> None:
        self._run = run
        self._assembler = assembler
        self._clock = run.services.clock
        self._told_at = float("-inf")
        self._pending: list[Delta | None] = []
        self._retelling = Retelling(said_last(told))

    def take(self, delta: Delta) -> None:
        for one in self._retelling.take(delta):
            self._gather(one)

    def finish(self) -> None:
        for one in self._retelling.finish():
            self._gather(one)

    async def tell(self, *, at_once: bool) -> None:
        now = self._clock()
        if not self._pending or not (at_once or now - self._told_at >= TOLD_SECONDS):
            return
        pending, self._pending, self._told_at = self._pending, [], now
        for is_cut, some in groupby(pending, key=lambda one: one is None):
            deltas = list(some)
            await self._run.emit(AGAIN if is_cut else SAID, *deltas)
            for delta in deltas:
                for _ in self._assembler.finish(cut=True) if delta is None else self._assembler.feed(delta):
                    pass

    def _gather(self, delta: Delta | None) -> None:
        """Pieces of one text that are not told yet become one."""
        before = self._pending[-1] if self._pending else None
        if before and delta and before.keys() == delta.keys() == {"content"}:
            self._pending[-1] = {"content": before["content"] + delta["content"]}
        else:
            self._pending.append(delta)
