"""Runs of recursive language models: waited for by their client, or in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from handlers.core import routing
from handlers.core.asks import ChatAsk
from handlers.core.call import Call, Caller
from handlers.core.errors import CoreError, Invalid, NotFound
from handlers.core.jobs import Definition, Job, Run, StepFailed
from handlers.core.responses.response import new_id
from handlers.core.rlm.ask import RlmAsk
from handlers.core.rlm.calls import Asker, Frame, context_tokens
from handlers.core.rlm.classic import Classic
from handlers.core.rlm.decomposition import Decomposition, make_plan
from handlers.core.rlm.journal import Forgetful, Told, records_of
from handlers.core.rlm.limits import Exhausted, out_of_time
from handlers.core.rlm.outcome import Outcome, Status, Totals
from handlers.core.rlm.toolbox import SPECIFICATIONS, Toolbox, pick_tools
from handlers.core.routing import Attempt
from storage.ledger_record import Record
from storage.tables.types import instant

KIND = "rlm"
LEAST_SECONDS = 0.001

Tell = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Created:
    """`attempt` is the place where the model is asked first."""

    outcome: Outcome
    attempt: Attempt


async def create(ask: RlmAsk, call: Call) -> Created:
    """Raises what `prepare` says; and in the foreground what the first call of the model says, when the run used
    nothing before it failed."""
    attempt = await _prepare(ask, call)
    response_id = new_id("resp", call)
    call.record.model = attempt.model.id
    frame = Frame(response_id, ask, call, attempt, Forgetful(), call.record.started_at)
    if ask.background:
        await call.services.jobs.enqueue(KIND, _job_input(frame), call.caller.project_id, job_id=response_id)
        return Created(_outcome(frame, "in_progress"), attempt)
    outcome = await _perform(frame, ask.bounds.max_seconds, _tell_nobody)
    _note(frame)
    if ask.keep:
        await _keep(outcome, call)
    return Created(outcome, attempt)


async def retrieve(response_id: str, call: Call) -> Outcome:
    """Raises `NotFound`."""
    missing = NotFound(f"there is no response {response_id}", code="response_not_found", param="response_id")
    if "\0" in response_id:
        raise missing
    project_id = call.caller.project_id
    try:
        job = await call.services.jobs.get(project_id, response_id)
    except NotFound:
        raise missing from None
    if job.kind != KIND:
        raise missing
    if job.state == "succeeded":
        return Outcome.from_json(job.result)
    known = Outcome.from_json(job.input["outcome"])
    if not job.is_final:
        return known
    code, message = job.error_code or "cancelled", job.error_message or "the run was cancelled"
    return _failed(known, {"code": code, "message": message}, await _totals(job, call))


async def _prepare(ask: RlmAsk, call: Call) -> Attempt:
    """Raises `Invalid`, and what `routing.plan` says of the model, before anything is used."""
    if not ask.text.strip():
        raise Invalid("input must not be empty", param="input")
    tools = pick_tools(ask, call.services)
    options = ask.options
    if ask.engine == "lambda" and tools:
        options |= {"tools": [{"type": "function", "function": SPECIFICATIONS[name]} for name in tools]}
    probe = ChatAsk(models=(ask.model,), messages=[{"role": "user", "content": "."}], options=options)
    attempt = (await routing.plan(probe, call))[0]
    if ask.engine == "lambda":
        make_plan(ask.text, context_tokens(attempt.model), ask.bounds.max_depth)
    return attempt


async def _perform(frame: Frame, seconds: float, tell: Tell) -> Outcome:
    """Raises only what happens before anything was used, and in the background what may pass."""
    try:
        async with asyncio.timeout(max(seconds, LEAST_SECONDS)) as timer:
            text = await _engine(frame, tell).answer()
        return _outcome(frame, "completed", text)
    except TimeoutError:
        if not timer.expired():
            raise
        error: CoreError = out_of_time(frame.ask.bounds.max_seconds)
    except Exhausted as failure:
        error = failure
    except CoreError as failure:
        if not frame.totals.output_tokens or (frame.ask.background and failure.retryable):
            raise
        error = failure
    return _failed(_outcome(frame, "failed"), _told(error), frame.totals)


def _engine(frame: Frame, tell: Tell) -> Classic | Decomposition:
    asker, toolbox = Asker(frame), Toolbox(pick_tools(frame.ask, frame.call.services), frame)
    if frame.ask.engine == "lambda":
        return Decomposition(frame, asker, toolbox, tell)
    return Classic(frame, asker, toolbox, tell)


def _outcome(frame: Frame, status: Status, text: str | None = None) -> Outcome:
    return Outcome(
        id=frame.response_id,
        created_at=frame.created_at,
        status=status,
        model=frame.attempt.model.id,
        metadata=dict(frame.ask.metadata),
        text=text,
        totals=None if status == "in_progress" else frame.totals,
    )


def _failed(outcome: Outcome, error: dict[str, str], totals: Totals) -> Outcome:
    return replace(outcome, status="failed", error=error, totals=totals)


def _told(error: CoreError) -> dict[str, str]:
    return {"code": error.code, "message": error.message}


def _note(frame: Frame) -> None:
    """The request's own record costs nothing: each call has one that does."""
    told = {"response_id": frame.response_id, "calls": frame.totals.calls, "cost_micros": frame.totals.cost_micros}
    frame.call.record.metadata = {**(frame.call.record.metadata or {}), "rlm": told}


async def _tell_nobody(fraction: float) -> None:
    """Who waits for the answer does not look at how far it is."""


async def _keep(outcome: Outcome, call: Call) -> None:
    """As a job that is done."""
    began, ended = instant(outcome.created_at), instant(call.services.clock())
    job = Job(
        id=outcome.id,
        project_id=call.caller.project_id,
        kind=KIND,
        input=None,
        created_at=began,
        state="succeeded",
        progress=1.0,
        result=outcome.to_json(),
        started_at=began,
        finished_at=ended,
    )
    await call.services.jobs.enter(job)


# in the background


def _job_input(frame: Frame) -> dict[str, Any]:
    caller = frame.call.caller
    return {
        "ask": frame.ask.to_json(),
        "outcome": _outcome(frame, "in_progress").to_json(),
        "request": {
            "api": frame.call.api,
            "operation_id": frame.call.operation_id,
            "request_id": frame.call.request_id,
        },
        "caller": {
            "project_id": caller.project_id,
            "project": caller.project,
            "key_id": caller.key_id,
            "admin": caller.admin,
            "models": None if caller.models is None else sorted(caller.models),
            "apis": None if caller.apis is None else sorted(caller.apis),
        },
    }


async def _work(run: Run) -> dict[str, Any]:
    """One step, which tells of every call that has ended, so that it is done again without them."""
    try:
        return dict(await run.step("run", lambda: _execute(run)))
    except StepFailed as failure:
        error = _told(failure)
    return dict(await run.step("sum up", lambda: _sum_up(run, error)))


async def _execute(run: Run) -> dict[str, Any]:
    before = await run.told_before()
    ask, call = RlmAsk.from_json(run.input["ask"]), _call_of(run)
    known = Outcome.from_json(run.input["outcome"])
    totals = Totals()
    for record in records_of(before):
        totals.add(record)
        run.services.ledger.post(record)  # once more, in case that it was told and not written
    attempt = await _prepare(ask, call)
    frame = Frame(known.id, ask, call, attempt, Told(run, before), known.created_at, totals)
    began = run.job.started_at or run.job.created_at
    passed = run.services.clock() - began.timestamp()
    return (await _perform(frame, ask.bounds.max_seconds - passed, run.progress)).to_json()


async def _sum_up(run: Run, error: dict[str, str]) -> dict[str, Any]:
    known = Outcome.from_json(run.input["outcome"])
    return _failed(known, error, await _totals(run.job, _call_of(run))).to_json()


async def _totals(job: Job, call: Call) -> Totals:
    """Of all calls that the job told of."""
    totals, after = Totals(), 0
    while events := await call.services.jobs.events(job.project_id, job.id, after):
        after = events[-1].sequence
        for record in records_of(events):
            totals.add(record)
    return totals


def _call_of(run: Run) -> Call:
    """The call that asked for the run, as far as it is still there."""
    given, request = run.input["caller"], run.input["request"]
    limits = {name: None if given[name] is None else frozenset(given[name]) for name in ("models", "apis")}
    record = Record(request["request_id"], request["api"], request["operation_id"], run.services.clock())
    who = Caller(**(given | limits))
    return Call(services=run.services, headers={}, record=record, who=who, **request)


DEFINITION = Definition(KIND, _work)
