"""How long deployments have lately taken to answer, as this process has seen it.

A measure counts for `FRESH_SECONDS`: what has not been asked for longer may be anything by now.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from handlers.core.catalog import Deployment

FRESH_SECONDS = 600.0
NEWEST_SHARE = 0.3
"""What the newest measure counts for beside all that came before."""
FAILURE_SECONDS = 60.0
"""What a failure counts as: a deployment that fails at once is not a fast one."""
MOST_KNOWN = 10_000
"""Projects name deployments, too; beyond this all is forgotten and measured anew."""


@dataclass(slots=True)
class Measure:
    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of a stream it is the time to its first word, else of the whole answer: the two are kept apart. `clock` is
    seconds that never go back."""

    clock: Callable[[], float] = time.monotonic
    _known: dict[tuple[Deployment, bool], Measure] = field(default_factory=dict)

    def note(self, place: Deployment, streamed: bool, seconds: float) -> None:
        now, measure = self.clock(), self._known.get((place, streamed))
        if measure is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[place, streamed] = Measure(seconds, now)
            return
        if now - measure.at < FRESH_SECONDS:
            seconds = NEWEST_SHARE * seconds + (1 - NEWEST_SHARE) * measure.seconds
        measure.seconds, measure.at = seconds, now

    def note_failure(self, place: Deployment, streamed: bool) -> None:
        self.note(place, streamed, FAILURE_SECONDS)

    def note_unfinished(self, place: Deployment, streamed: bool, seconds: float) -> None:
        """It was given up after so long: it takes that at least."""
        if seconds > (self.seconds(place, streamed) or 0.0):
            self.note(place, streamed, seconds)

    def seconds(self, place: Deployment, streamed: bool) -> float | None:
        """None where nothing is known, or nothing fresh."""
        found = self._known.get((place, streamed))
        return found.seconds if found and self.clock() - found.at < FRESH_SECONDS else None
