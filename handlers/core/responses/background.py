"""A response that is made in the background: asked for, followed while it is made, and called off.

It is a job of the response's own id (`work.py` does it). What it tells, as deltas of the answer, every reader makes
into the same events, under the same ids and numbers, however often it comes back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import cast

from handlers.core import chat, file_search
from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from handlers.core.jobs import Job, JobEvent
from handlers.core.metering import Meter
from handlers.core.record_json import unpack_record
from handlers.core.responses.conversation import chat_of
from handlers.core.responses.response import Response, ResponseAsk, asked_of, from_stored, new_id, to_stored
from handlers.core.responses.run import Begun, Created, Ended, Event, Queued, Running
from handlers.core.responses.script import BEGUN, KIND, assembler_of, pack, play
from handlers.core.streams import begin

__all__ = ["enqueue", "follow", "follow_new", "forget", "stop"]


async def enqueue(ask: ResponseAsk, call: Call) -> Created:
    """Held to limits, credits and budgets now, and asked of a model when a worker comes to it. From here on the
    request's record is the job's. Raises as `create` does."""
    if not ask.store:
        raise Invalid("a response in the background must be stored", code="background_needs_store", param="store")
    if ask.wishes.keys.given:
        raise Invalid("a response in the background cannot use keys that are not kept", param="background")
    chat_ask = await chat_of(ask, call)
    if ask.file_search is not None:
        await file_search.check(ask.file_search, chat_ask, call)
    attempt, meter = await chat.admit(chat_ask, call)
    response = Response(
        id=new_id("resp", call),
        created_at=call.record.started_at,
        model=attempt.model.id,
        status="queued",
        input=ask.items,
        previous_response_id=ask.previous_response_id,
        shown={**ask.shown, "background": True, "stream": ask.stream},
        asked=asked_of(ask),
    )
    try:
        await _keep(response, ask, chat_ask, meter, call)
    except BaseException:
        await meter.settle()
        raise
    return Created(attempt, response)


async def _keep(response: Response, ask: ResponseAsk, chat_ask: ChatAsk, meter: Meter, call: Call) -> None:
    services = call.services
    call.outlive_client()
    input = pack(ask, chat_ask, call) | {"admission": services.quota.pack(meter.admission)}
    await services.ledger.start(call.record)
    async with services.jobs.database.writing() as tx:
        await services.responses.insert(to_stored(response, call), tx)
        await services.jobs.enqueue(KIND, input, call.caller.project_id, job_id=response.id, tx=tx)
    call.hand_over_record()
    services.jobs.wanted.ring()


async def follow_new(created: Created, call: Call) -> Running:
    """The events of one that was just enqueued."""
    return Running(created.attempt, await begin(_events(created.response, call)))


async def follow(response_id: str, call: Call) -> AsyncGenerator[Event, None]:
    """All its events from the first on, until it has ended. Raises `NotFound`, and `Invalid` for one that was not asked
    for as a stream in the background."""
    stored = await call.services.responses.get(call.caller.project_id, response_id)
    if stored is None:
        raise NotFound(f"there is no response {response_id}", code="response_not_found", param="response_id")
    response = from_stored(stored)
    if not (response.in_background and response.shown.get("stream")):
        message = f"the response {response_id} was not created with background and stream"
        raise Invalid(message, code="response_not_streamed", param="stream")
    return _events(response, call)


async def _events(response: Response, call: Call) -> AsyncGenerator[Event, None]:
    draft = replace(response, status="queued", output=(), usage=None, error=None, incomplete_reason=None)
    assembler, project_id = assembler_of(response.id), call.caller.project_id
    yield Queued(draft)
    followed = call.services.jobs.follow(project_id, response.id)
    async with aclosing(cast(AsyncGenerator[JobEvent, None], followed)) as told:
        async for event in told:
            if event.kind == BEGUN:
                yield Begun(replace(draft, status="in_progress"))
            for step in play(event, assembler):
                yield step
    stored = await call.services.responses.get(project_id, response.id)
    if stored is None:
        raise NotFound(f"the response {response.id} was deleted", code="response_not_found")
    ended = from_stored(stored)
    for step in assembler.finish(cut=ended.status != "completed"):
        yield step
    yield Ended(ended)


async def stop(response: Response, call: Call) -> None:
    """Has its job stopped, wherever it runs."""
    job = await call.services.jobs.cancel(call.caller.project_id, response.id)
    if job.state == "cancelled" and job.started_at is None:
        await _settle_unbegun(job, call)


async def forget(response: Response, call: Call) -> None:
    """Stops it, should it run, and leaves nothing of what it was asked and told."""
    if response.is_running:
        await stop(response, call)
    await call.services.jobs.delete(call.caller.project_id, response.id)


async def _settle_unbegun(job: Job, call: Call) -> None:
    services, record = call.services, unpack_record(job.input["record"])
    record.state, record.error_code = "interrupted", "cancelled"
    await services.ledger.finish(record)
    await services.quota.settle(services.quota.unpack(job.input["admission"]), tokens=0, cost_micros=0)
