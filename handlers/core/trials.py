"""Asking one deployment after the other until one answers.

Nobody waits while somebody else may answer: deployments are asked in rounds, each in order, and only when all of a
round have failed is there a wait before those that may be well by then are asked again. All of it is before the first
byte: what an act has begun to hand out is not tried elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

from handlers.core.call import Call
from handlers.core.catalog import Deployment
from handlers.core.errors import Unavailable
from handlers.core.own_keys import OwnKey
from handlers.core.routing import blame
from handlers.core.tries import End, note_try
from providers.errors import BrokenAnswer, ProviderError, Refused, Saturated, Throttled
from providers.errors import Unavailable as VendorUnavailable


class Candidate(Protocol):
    """A place that may be asked, for a chat or for vectors; see `routing.Attempt`."""

    @property
    def deployment(self) -> Deployment: ...

    @property
    def number(self) -> int: ...

    @property
    def own(self) -> OwnKey[Any] | None: ...

    @property
    def simulated(self) -> bool: ...

    @property
    def shared(self) -> bool: ...


Result = TypeVar("Result")
Asked = TypeVar("Asked", bound=Candidate)
Act = Callable[[Asked], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Hedge(Generic[Result]):
    """The second deployment is asked as well when the first has not answered after `after_seconds`. The slower one is
    cancelled; should both answer at once, `drop` ends what it began."""

    after_seconds: float
    drop: Callable[[Result], Awaitable[object]]


class Outcome(NamedTuple, Generic[Asked, Result]):
    """Of one attempt: what it came to, or why not."""

    attempt: Asked
    result: Result | None = None
    error: ProviderError | None = None


async def try_each(
    attempts: Sequence[Asked], act: Act[Asked, Result], call: Call, hedge: Hedge[Result] | None = None
) -> tuple[Asked, Result]:
    """The first success, and whose it is. A request that a vendor refuses is not sent to another, but for a model it
    does not know. A deployment whose breaker is open is passed over; the simulator's faults are scripted, and told as
    they are.

    Raises what `routing.blame` makes of the last failure, or `Unavailable` when every breaker is open.
    """
    trial = _Trial(act, call, hedge)
    last: ProviderError | None = None
    blamed = attempts[0] if attempts else None
    rounds_done = 0
    while attempts:
        outcomes = await trial.round(attempts, rounds_done)
        for attempt, result, error in outcomes:
            if error is None:
                return attempt, cast(Result, result)
            last, blamed = error, attempt
        if last is None:
            raise trial.resting()
        if _is_refusal(last):
            break
        rounds_done += 1
        attempts = await trial.wait(outcomes, rounds_done)
    if last is None or blamed is None:
        raise ValueError("there is no attempt to make")
    raise blame(blamed, last) from last


class _Trial(Generic[Asked, Result]):
    def __init__(self, act: Act[Asked, Result], call: Call, hedge: Hedge[Result] | None) -> None:
        services = call.services
        self._act = act
        self._hedge = hedge
        self._call = call
        self._clock = services.clock
        self._patience = services.patience
        self._breakers = services.breakers
        self._latencies = services.latencies
        self._began_at = services.clock()
        self._passed_over: list[Asked] = []
        self._streamed = call.record.streamed

    async def round(self, attempts: Sequence[Asked], rounds_done: int) -> list[Outcome[Asked, Result]]:
        """What each came to, up to the first success or refusal; empty when nobody could be asked."""
        hedge = None if rounds_done else self._hedge
        outcomes: list[Outcome[Asked, Result]] = []
        ahead = iter(attempts)
        for attempt in ahead:
            if not self._admit(attempt):
                continue
            if hedge is None or attempt is attempts[-1]:
                ended = [await self._try(attempt)]
            else:
                ended = await self._race(attempt, ahead, hedge)
                hedge = None
            outcomes += ended
            for outcome in ended:
                if outcome.error is None or _is_refusal(outcome.error):
                    return outcomes
        return outcomes

    async def wait(self, failed: Sequence[Outcome[Asked, Result]], rounds_done: int) -> list[Asked]:
        """Waits as long as the first of those needs that are worth another try, and says who they are."""
        patience = self._patience
        if rounds_done > patience.retries:
            return []
        asked = [(o.attempt, _asks_for(o.error)) for o in failed if _is_passing(o.error) and not o.attempt.simulated]
        if not asked:
            return []
        backoff = patience.wait_seconds(rounds_done, self._call.services.random())
        wait = max(backoff, min(seconds for _, seconds in asked))
        if self._clock() + wait > self._began_at + patience.budget_seconds:
            return []
        await patience.sleep(wait)
        return [attempt for attempt, seconds in asked if seconds <= wait]

    def resting(self) -> Unavailable:
        seconds = self._breakers.rest_seconds(attempt.deployment for attempt in self._passed_over)
        message = "every provider of the model has failed again and again, and is left alone for a moment"
        return Unavailable(message, code="upstream_unavailable", headers={"Retry-After": str(max(1, ceil(seconds)))})

    def _admit(self, attempt: Asked) -> bool:
        if not attempt.shared or self._breakers.admit(attempt.deployment):
            return True
        self._passed_over.append(attempt)
        return False

    async def _try(self, attempt: Asked) -> Outcome[Asked, Result]:
        """Whoever has been admitted, is told of to the breakers."""
        began_at, began_tick = self._clock(), self._latencies.clock()
        end: End = "abandoned"
        try:
            result = await self._act(attempt)
            end = "answered"
            return Outcome(attempt, result)
        except ProviderError as error:
            end = error
            return Outcome(attempt, error=error)
        finally:
            note_try(attempt.deployment, began_at, end, self._call)
            if attempt.shared:
                self._tell(attempt.deployment, end, self._latencies.clock() - began_tick)

    def _tell(self, place: Deployment, end: End, seconds: float) -> None:
        """Of one that was given up nothing is known, but that it takes that long at least."""
        breakers, latencies = self._breakers, self._latencies
        if end == "answered":
            breakers.succeed(place)
            latencies.note(place, self._streamed, seconds)
        elif end == "abandoned":
            breakers.abandon(place)
            latencies.note_unfinished(place, self._streamed, seconds)
        elif isinstance(end, Saturated):
            breakers.abandon(place)
        elif is_failure(end):
            breakers.fail(place)
            latencies.note_failure(place, self._streamed)
        else:
            breakers.succeed(place)

    async def _race(self, first: Asked, ahead: Iterator[Asked], hedge: Hedge[Result]) -> list[Outcome[Asked, Result]]:
        """The winner's outcome alone, or those of all that failed. The second, if it comes to one, is from `ahead`."""
        outcomes: list[Outcome[Asked, Result]] = []
        async with asyncio.TaskGroup() as group:
            racing = {group.create_task(self._try(first))}
            timer = group.create_task(_sleep(self._patience.sleep, hedge.after_seconds))
            await asyncio.wait({*racing, timer}, return_when=asyncio.FIRST_COMPLETED)
            second = self._next(ahead) if timer.done() else None
            timer.cancel()
            if second is not None:
                racing.add(group.create_task(self._try(second)))
            while racing and not any(outcome.error is None for outcome in outcomes):
                done, racing = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
                outcomes += sorted((task.result() for task in done), key=lambda outcome: outcome.attempt.number)
            for task in racing:
                task.cancel()
        return await _winner(outcomes, hedge)

    def _next(self, ahead: Iterator[Asked]) -> Asked | None:
        return next(filter(self._admit, ahead), None)


def _is_refusal(error: ProviderError | None) -> bool:
    return isinstance(error, Refused) and error.status != 404


def is_failure(error: ProviderError) -> bool:
    """Whether the deployment is to blame: it did not answer, or not with what can be read."""
    return isinstance(error, VendorUnavailable | BrokenAnswer) and not isinstance(error, Saturated)


def _is_passing(error: ProviderError | None) -> bool:
    """Whether the same call may succeed a moment later. A full queue of ours is no place to wait in again."""
    return isinstance(error, VendorUnavailable | Throttled) and not isinstance(error, Saturated)


def _asks_for(error: ProviderError | None) -> float:
    return float(error.retry_after_seconds or 0) if isinstance(error, Throttled) else 0.0


async def _sleep(sleep: Callable[[float], Awaitable[object]], seconds: float) -> None:
    await sleep(seconds)


async def _winner(outcomes: list[Outcome[Asked, Result]], hedge: Hedge[Result]) -> list[Outcome[Asked, Result]]:
    answered = [outcome for outcome in outcomes if outcome.error is None]
    for late in answered[1:]:
        await hedge.drop(late.result)  # type: ignore[arg-type]
    return answered[:1] or outcomes
