"""Events of many requests: the newest request first, and of each its last event first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from handlers.core.call import Call
from handlers.core.history.events import ENDS, Event, events_of
from handlers.core.history.records import find_place, no_such_cursor
from storage.repositories.history import PAGE_ROWS, Place, Which, place_of

MOST_READ = 5_000
"""How many requests one page looks through: where events are rare it is short, and its cursor leads on."""


@dataclass(frozen=True, slots=True)
class EventPage:
    events: list[Event]
    next_cursor: str | None


async def list_events(
    which: Which, kinds: Collection[str] | None, page: tuple[int, str | None], call: Call
) -> EventPage:
    """`page` is a limit and the cursor of the page before. The window of `which` is that of the requests' beginnings.
    Raises `NotFound` for a cursor of no list."""
    limit, cursor = page
    which = _narrow(which, kinds)
    found: list[Event] = []
    place, below = await _resume(cursor, which, call)
    read, rows = 0, min(PAGE_ROWS, limit + 1)
    if place is not None and below > 1:
        record = await call.services.history.get(place.request_id, which.project_id)
        found += (
            [event for event in _latest_first(events_of(record), kinds) if event.sequence < below] if record else []
        )
    while len(found) <= limit and read < MOST_READ:
        records = await call.services.history.page(which, rows, place)
        if not records:
            break
        read, rows = read + len(records), PAGE_ROWS
        place = place_of(records[-1])
        found += [event for record in records for event in _latest_first(events_of(record), kinds)]
    if len(found) > limit:
        last = found[limit - 1]
        return EventPage(found[:limit], f"{last.record.request_id}.{last.sequence}")
    return EventPage(found, f"{place.request_id}.1" if place is not None and read >= MOST_READ else None)


def _latest_first(events: list[Event], kinds: Collection[str] | None) -> list[Event]:
    return [event for event in reversed(events) if kinds is None or event.kind in kinds]


def _narrow(which: Which, kinds: Collection[str] | None) -> Which:
    """An end that is asked for alone is found by its index."""
    states = [state for state, kind in ENDS.items() if kinds is not None and set(kinds) == {kind}]
    return replace(which, state=states[0]) if states else which


async def _resume(cursor: str | None, which: Which, call: Call) -> tuple[Place | None, int]:
    """The request that the page before ended in, and the event of it that was its last."""
    if cursor is None:
        return None, 0
    request_id, _, sequence = cursor.rpartition(".")
    if not sequence.isascii() or not sequence.isdecimal() or len(sequence) > 9:
        raise no_such_cursor()
    return await find_place(request_id, which, call), int(sequence)
