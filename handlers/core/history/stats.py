"""Counts of events, from the sums that the ledger keeps by the hour."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from handlers.core.call import Call
from handlers.core.history.events import ENDS
from storage.repositories.history import HOUR_SECONDS, Which
from storage.tables.types import instant

MOST_ERRORS = 10
COUNTED = {
    "submitted": "requests",
    "assigned": "tries",
    "requeued": "requeues",
    "first_progress": "first_bytes",
    "dedupe_hit": "cache_hits",
}
"""Kinds of events, by the sum that counts them; those of the end are counted by the requests' state."""


@dataclass(frozen=True, slots=True)
class EventStats:
    """`by_hour` has every hour of the window, by its first unix second. `messages` are those that are kept of the
    window's requests, `policies` the projects that have one of their own."""

    by_kind: Counter[str]
    by_hour: dict[int, int]
    errors: list[tuple[str, int]]
    opinions: int
    messages: int
    policies: int


async def count_events(window_hours: int, call: Call) -> EventStats:
    """Of finished requests of all projects that began in this clock hour or one of those before."""
    last = int(call.services.clock()) // HOUR_SECONDS * HOUR_SECONDS
    first = last - (window_hours - 1) * HOUR_SECONDS
    counted = tuple(COUNTED.values())
    sums = await call.services.history.sums(Which(since=instant(first)), "hour", "state", "error_code", of=counted)
    by_kind, errors = Counter[str](), Counter[str]()
    by_hour = dict.fromkeys(range(first, last + 1, HOUR_SECONDS), 0)
    for (hour, state, error_code), figures in sums.items():
        ended = figures["requests"]
        by_kind[ENDS[state]] += ended
        for kind, name in COUNTED.items():
            by_kind[kind] += figures[name]
        by_hour[hour] = by_hour.get(hour, 0) + ended + sum(figures[name] for name in counted)
        if error_code:
            errors[error_code] += ended
    return EventStats(
        by_kind=+by_kind,
        by_hour=by_hour,
        errors=errors.most_common(MOST_ERRORS),
        opinions=await call.services.feedback.count(instant(first)),
        messages=await call.services.capture.messages.count(instant(first)),
        policies=await call.services.capture.policies.repository.count(),
    )
