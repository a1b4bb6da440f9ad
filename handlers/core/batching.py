"""Several asks answered together, as one request: all of them or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from handlers.core import chat
from handlers.core.asks import AnyAsk
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.core.errors import CoreError, Invalid
from handlers.core.tries import MOST_NOTED
from storage.ledger_record import Record

AT_ONCE = 8
MOST = 1000
_SUMMED = (
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_micros",
    "prompt_cost_micros",
    "cached_cost_micros",
    "try_count",
    "requeues",
)
_SHARED = (
    "model",
    "requested_model",
    "region",
    "fallbacks",
    "provider",
    "upstream_model",
    "first_byte_us",
    "finish_reason",
    "metadata",
)


async def complete_all(asks: Sequence[AnyAsk], param: str, call: Call) -> list[Answer]:
    """In the order of `asks`, `AT_ONCE` at the same time. The first that fails ends the others; its error names it as
    `param[number]`. The request's record holds the sums of what was used, also then."""
    records = [replace(call.record) for _ in asks]
    answers: dict[int, Answer] = {}
    numbers = iter(range(len(asks)))

    async def work() -> None:
        for number in numbers:
            with naming(param, number):
                answers[number] = await chat.complete(asks[number], call.part(records[number]))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    except* CoreError as failed:
        raise _first(failed) from failed
    finally:
        sum_up(records, call.record)
    return [answers[number] for number in range(len(asks))]


def check_size(items: Sequence[object], param: str) -> None:
    """Raises `Invalid` for more than one request should keep a client, and all others, waiting for."""
    if len(items) > MOST:
        raise Invalid(f"{param} must hold at most {MOST} items", param=param)


@contextmanager
def naming(param: str, number: int) -> Iterator[None]:
    """Errors say which item they are about."""
    try:
        yield
    except CoreError as error:
        error.message = f"{param}[{number}]: {error.message}"
        error.args = (error.message,)
        raise


def _first(failed: ExceptionGroup[CoreError]) -> CoreError:
    error = failed.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def sum_up(records: Sequence[Record], whole: Record) -> None:
    for name in _SUMMED:
        setattr(whole, name, sum(getattr(record, name) for record in records))
    told = [message for record in records for message in record.messages]
    whole.messages = [replace(message, message_seq=number) for number, message in enumerate(told, start=1)]
    whole.tries = [one for record in records for one in record.tries or ()][:MOST_NOTED] or None
    used = next((record for record in records if record.model is not None), None)
    for name in _SHARED if used else ():
        setattr(whole, name, getattr(used, name))
