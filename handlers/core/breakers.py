"""Leaving a deployment alone that keeps failing, and noticing when it is well again.

Each process has breakers of its own. A deployment has one from its first failure until it has done `WINDOW` calls in a
row without any, so that nothing is counted for those that are well.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from handlers.core.catalog import Deployment

WINDOW = 20
"""So many of a deployment's latest calls are looked at."""

State = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A breaker opens after `failures` in a row (0 is never), or when `share` of the last `WINDOW` calls failed. It
    lets nobody pass for `rest_seconds`, then one call at a time, until one succeeds."""

    failures: int = 5
    share: float = 0.5
    rest_seconds: float = 10.0


@dataclass(slots=True)
class Breaker:
    """`opened_at` is None while it is closed; `probing` while the one call is under way that it let pass."""

    outcomes: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    failures_in_a_row: int = 0
    opened_at: float | None = None
    probing: bool = False


class Breakers:
    """`clock` is seconds that never go back."""

    def __init__(self, rule: Rule = Rule(), clock: Callable[[], float] = time.monotonic) -> None:
        self._rule = rule
        self._clock = clock
        self._known: dict[Deployment, Breaker] = {}

    def admit(self, place: Deployment) -> bool:
        """Whether it may be called now. Whoever is admitted says how it went: `succeed`, `fail` or `abandon`."""
        breaker = self._known.get(place) if self._known else None
        if breaker is None or breaker.opened_at is None:
            return True
        if breaker.probing or self._rests(breaker) > 0:
            return False
        breaker.probing = True
        return True

    def succeed(self, place: Deployment) -> None:
        breaker = self._known.get(place) if self._known else None
        if breaker is None:
            return
        if breaker.opened_at is not None:
            if breaker.probing:
                del self._known[place]
            return
        breaker.failures_in_a_row = 0
        breaker.outcomes.append(True)
        if len(breaker.outcomes) == WINDOW and all(breaker.outcomes):
            del self._known[place]

    def fail(self, place: Deployment) -> None:
        if not self._rule.failures:
            return
        breaker = self._known.setdefault(place, Breaker())
        breaker.failures_in_a_row += 1
        breaker.outcomes.append(False)
        if breaker.opened_at is None:
            if self._is_too_much(breaker):
                breaker.opened_at = self._clock()
        elif breaker.probing:
            breaker.probing = False
            breaker.opened_at = self._clock()

    def abandon(self, place: Deployment) -> None:
        """The call was given up before anybody knew."""
        if breaker := self._known.get(place):
            breaker.probing = False

    def state(self, place: Deployment) -> State:
        breaker = self._known.get(place)
        if breaker is None or breaker.opened_at is None:
            return "closed"
        return "open" if self._rests(breaker) > 0 else "half_open"

    def not_closed(self) -> dict[Deployment, State]:
        return {place: state for place in self._known if (state := self.state(place)) != "closed"}

    def rest_seconds(self, places: Iterable[Deployment]) -> float:
        """Until the first of those that are not closed may be called again."""
        found = [breaker for place in places if (breaker := self._known.get(place)) and breaker.opened_at is not None]
        return max(0.0, min(map(self._rests, found), default=0.0))

    def _rests(self, breaker: Breaker) -> float:
        return (breaker.opened_at or 0.0) + self._rule.rest_seconds - self._clock()

    def _is_too_much(self, breaker: Breaker) -> bool:
        outcomes = breaker.outcomes
        failed = outcomes.count(False)
        return breaker.failures_in_a_row >= self._rule.failures or (
            len(outcomes) == WINDOW and failed >= self._rule.share * WINDOW
        )
