"""All that is known of many requests, the newest first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from handlers.core.call import Call
from handlers.core.history.events import Event, events_of
from handlers.core.history.records import Record, Which
from storage.captured import CapturedMessage

AT_ONCE = 10
"""Requests whose messages are in memory together: there may be very much in one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    events: bool
    messages: bool


@dataclass(frozen=True, slots=True)
class Told:
    """Of one request, in the order in which it was written and said."""

    record: Record
    events: list[Event]
    messages: list[CapturedMessage]


async def walk_told(which: Which, wanted: Wanted, call: Call) -> AsyncIterator[list[Told]]:
    """In pages. Of what is not wanted there is nothing."""
    if not (wanted.events or wanted.messages):
        return
    async for records in call.services.history.walk(which):
        for start in range(0, len(records), AT_ONCE):
            some = records[start : start + AT_ONCE]
            said = await _messages(some, call) if wanted.messages else {}
            yield [
                Told(record, events_of(record) if wanted.events else [], said.get(record.request_id, []))
                for record in some
            ]


async def _messages(records: list[Record], call: Call) -> dict[str, list[CapturedMessage]]:
    found: dict[str, list[CapturedMessage]] = {}
    for message in await call.services.capture.messages.of_requests([record.request_id for record in records]):
        found.setdefault(message.request_id, []).append(message)
    return found
