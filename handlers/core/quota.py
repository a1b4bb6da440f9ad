"""Limits on requests and tokens, and prepaid credits.

A limit holds in whole minutes and UTC days. Each process leases a block of it from the database (1 % of the limit, or
what one request needs) and admits from the block, so that most requests ask nobody, and any number of processes
together never hand out more than the limit. What a block has left goes back when it is not used for a second.
A balance is read every second, and what this process spends in between is taken off at once.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Literal

from handlers.core.call import Caller
from handlers.core.errors import CoreError, Forbidden, Invalid, PaymentRequired, RateLimited
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.repositories.credits import Credits
from storage.repositories.limits import Limit, Limits, Window
from storage.watch import Watch

Metric = Literal["requests_per_minute", "requests_per_day", "tokens_per_minute", "tokens_per_day", "micro_usd_per_day"]
LENGTHS_SECONDS: dict[Metric, int] = {
    "requests_per_minute": 60,
    "requests_per_day": 86_400,
    "tokens_per_minute": 60,
    "tokens_per_day": 86_400,
    "micro_usd_per_day": 86_400,
}
COUNTS_REQUESTS = frozenset({"requests_per_minute", "requests_per_day"})
BUDGET: Metric = "micro_usd_per_day"
"""What a request costs is known when it has ended: it needs something left of the budget, and may overdraw it."""

REFRESH_SECONDS = 1.0
LEASED_SHARE = 100
"""A block is the limit divided by this."""


class Bucket:
    """One limit as this process holds it: `held` units of the current window are leased and not yet spent."""

    def __init__(self, limits: Limits, limit: Limit, metric: Metric) -> None:
        self.metric = metric
        self.ceiling = 0
        self._limits = limits
        self._owner = (limit.project_id, limit.subject_id)
        self._window: Window | None = None
        self._held = 0
        self._idle = False
        self._refused: tuple[int, float] | None = None
        self._leasing = asyncio.Lock()

    async def take(self, amount: int, now: float) -> Window | None:
        """The window from which `amount` was taken, or None when the limit does not allow it."""
        window = self._current(now)
        if self._spend(amount):
            return window
        async with self._leasing:
            while not self._spend(amount):
                if self._was_refused(amount, now):
                    return None
                missing = amount - self._held
                granted = await self._limits.take(window, max(missing, self._block), missing, self.ceiling)
                if self._window is not window:
                    window = self._current(now)  # another request has seen the next window begin: lease from that
                elif granted:
                    self._held += granted
                else:
                    self._refused = (missing, now + REFRESH_SECONDS)
        return window

    async def correct(self, window: Window, surplus: int) -> None:
        """Puts back what was not spent, or counts what was spent beyond what was taken (then `surplus` is negative)."""
        if self._window is not window:
            return  # the window is over, and with it what was taken from it
        self._held += surplus
        if self._held < 0:
            overdrawn, self._held = -self._held, 0
            await self._limits.charge(window, overdrawn)

    async def shrink(self, now: float) -> None:
        """Gives back what is more than a block, and all of a block that nobody used since the last call."""
        window = self._current(now)
        spare = self._held if self._idle else max(0, self._held - self._block)
        self._idle = True
        if spare:
            await self._return(window, spare)

    async def empty(self) -> None:
        if self._window is not None and self._held:
            await self._return(self._window, self._held)

    def seconds_left(self, now: float) -> int:
        window = self._current(now)
        return math.ceil(window.start + window.length_seconds - now)

    @property
    def _block(self) -> int:
        return max(1, self.ceiling // LEASED_SHARE)

    def _current(self, now: float) -> Window:
        length = LENGTHS_SECONDS[self.metric]
        start = int(now // length) * length
        if self._window is None or self._window.start < start:
            self._window = Window(*self._owner, self.metric, start, length)
            self._held = 0
            self._refused = None
        return self._window

    def _spend(self, amount: int) -> bool:
        if self._held < amount:
            return False
        self._held -= amount
        self._idle = False
        return True

    def _was_refused(self, amount: int, now: float) -> bool:
        """Whether the database said no a moment ago: a flood beyond the limit must not become a flood of leases."""
        return self._refused is not None and now < self._refused[1] and amount - self._held >= self._refused[0]

    async def _return(self, window: Window, amount: int) -> None:
        self._held -= amount
        try:
            await self._limits.charge(window, -amount)
        except StorageUnavailable:
            if self._window is window:
                self._held += amount
            raise


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Stands for a bucket of another process, from which was taken."""

    limits: Limits
    metric: str

    async def correct(self, window: Window, surplus: int) -> None:
        await self.limits.charge(window, -surplus)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a request was admitted with."""

    project_id: str
    tokens: int = 0
    taken: tuple[tuple[Bucket | Elsewhere, Window, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What holds for one key: `buckets` of its project and of itself."""

    buckets: tuple[Bucket, ...]
    prepaid: bool
    nothing_taken: Reservation


class Quota:
    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._limits = Limits(database)
        self._credits = Credits(database)
        self._watch = Watch(database, clock)
        self._generation = 0
        self._plans: dict[tuple[str, str | None], Plan] = {}
        self._buckets: dict[tuple[str, Metric], Bucket] = {}
        self._balances: dict[str, int] = {}

    async def admit(self, caller: Caller, tokens_estimate: int = 0, *, free: bool = False) -> Reservation:
        """`tokens_estimate` is what the request will use at most, prompt and answer; hand the reservation to `settle`.
        One that is `free` needs no credits.

        Raises `RateLimited`, `Invalid` or `Forbidden` for what no waiting helps, `PaymentRequired` and
        `StorageUnavailable`.
        """
        plan = await self._plan(caller)
        if not free and not self._has_credits(plan, caller):
            raise PaymentRequired("the project's prepaid credits are used up", code="insufficient_credits")
        if not plan.buckets:
            return plan.nothing_taken
        taken: list[tuple[Bucket | Elsewhere, Window, int]] = []
        try:
            for bucket in plan.buckets:
                amount = _amount(bucket, tokens_estimate, free)
                window = await bucket.take(amount, self._clock())
                if window is None:
                    raise _refusal(bucket, amount, self._clock())
                taken.append((bucket, window, amount))
        except BaseException:
            for holder, window, amount in taken:
                await holder.correct(window, amount)
            raise
        return Reservation(caller.project_id, tokens_estimate, tuple(taken))

    async def is_solvent(self, caller: Caller) -> bool:
        """Whether there are credits, and something left of the budgets. Raises `StorageUnavailable`."""
        plan = await self._plan(caller)
        for bucket in plan.buckets:
            if bucket.metric == BUDGET:
                window = await bucket.take(1, self._clock())
                if window is None:
                    return False
                await bucket.correct(window, 1)
        return self._has_credits(plan, caller)

    async def settle(self, reservation: Reservation, tokens: int, cost_micros: int = 0) -> None:
        """What the request really used; a request that failed at the vendor settles with 0 and still counts as one.

        Raises `StorageUnavailable` when it used more than it was admitted with and that cannot be counted.
        """
        if reservation.project_id in self._balances:
            self._balances[reservation.project_id] -= cost_micros
        for bucket, window, amount in reservation.taken:
            used = cost_micros if bucket.metric == BUDGET else tokens
            if bucket.metric not in COUNTS_REQUESTS and used != amount:
                await bucket.correct(window, amount - used)

    def pack(self, reservation: Reservation) -> dict[str, Any]:
        taken = [[asdict(window), amount] for _, window, amount in reservation.taken]
        return {"project_id": reservation.project_id, "tokens": reservation.tokens, "taken": taken}

    def unpack(self, packed: dict[str, Any]) -> Reservation:
        windows = [(Window(**window), amount) for window, amount in packed["taken"]]
        taken = tuple((Elsewhere(self._limits, window.metric), window, amount) for window, amount in windows)
        return Reservation(packed["project_id"], packed["tokens"], taken)

    async def refresh(self) -> None:
        """Takes in changed limits and balances, and gives back what is not needed."""
        self._keep_up_with(await self._watch.look())
        if self._balances:
            self._balances.update(await self._credits.balances(tuple(self._balances)))
        for bucket in tuple(self._buckets.values()):
            await bucket.shrink(self._clock())

    async def run(self) -> None:
        """Refreshes until cancelled; belongs into the server's TaskGroup. Call `close` after."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.refresh()
            except StorageUnavailable:
                continue  # requests notice by themselves, see `Watch`

    async def close(self) -> None:
        """Gives back what is leased, if the database can be reached; else it runs out with its window."""
        with suppress(StorageUnavailable):
            for bucket in self._buckets.values():
                await bucket.empty()

    async def _plan(self, caller: Caller) -> Plan:
        if self._watch.is_stale(self._clock()):
            await self._watch.fresh()
        generation = self._keep_up_with(self._watch.generation)
        who = (caller.project_id, caller.key_id)
        known = self._plans.get(who)
        if known is not None:
            return known
        subjects = (caller.project_id,) if caller.key_id is None else (caller.project_id, caller.key_id)
        limits = await self._limits.of(caller.project_id, subjects)
        balance = await self._credits.balance(caller.project_id)
        plan = Plan(tuple(self._buckets_of(limits)), balance is not None, Reservation(caller.project_id))
        if balance is not None:
            self._balances[caller.project_id] = balance
        if generation == self._generation:
            self._plans[who] = plan
        return plan

    def _buckets_of(self, limits: list[Limit]) -> list[Bucket]:
        found = []
        for limit in limits:
            for metric in LENGTHS_SECONDS:
                ceiling: int | None = getattr(limit, metric)
                if ceiling is not None:
                    bucket = self._buckets.setdefault((limit.subject_id, metric), Bucket(self._limits, limit, metric))
                    bucket.ceiling = ceiling
                    found.append(bucket)
        return found

    def _keep_up_with(self, generation: int) -> int:
        if generation > self._generation:
            self._generation = generation
            self._plans.clear()
            self._balances.clear()
        return self._generation

    def _has_credits(self, plan: Plan, caller: Caller) -> bool:
        return not plan.prepaid or self._balances.get(caller.project_id, 0) > 0


def _amount(bucket: Bucket, tokens_estimate: int, free: bool) -> int:
    if bucket.metric in COUNTS_REQUESTS:
        return 1
    return tokens_estimate if bucket.metric != BUDGET else 0 if free else 1


def _refusal(bucket: Bucket, amount: int, now: float) -> CoreError:
    """A client that waits and asks again is to be told to only where that can help."""
    if bucket.metric == BUDGET:
        message = f"the budget of {Decimal(bucket.ceiling) / 1_000_000} US dollars a day is used up"
        return PaymentRequired(message, code="budget_exhausted")
    limit = f"the limit of {bucket.ceiling} {bucket.metric.replace('_', ' ')}"
    if not bucket.ceiling:
        return Forbidden(f"{limit} allows nothing", code="limit_is_zero")
    if amount > bucket.ceiling:
        message = f"this request may use {amount} tokens, prompt and answer, which is more than {limit} will ever allow"
        return Invalid(message, code="request_exceeds_token_limit")
    seconds = bucket.seconds_left(now)
    return RateLimited(f"{limit} is reached", retry_after_seconds=seconds, headers=_headers(bucket, now))


def _headers(bucket: Bucket, now: float) -> dict[str, str]:
    """Clients know `Limit` and `Remaining` as numbers of requests, of which none is left; `Reset` holds for every
    limit (maniac.json: the responses 429)."""
    headers = {"X-RateLimit-Reset": str(int(now) + bucket.seconds_left(now))}
    if bucket.metric in COUNTS_REQUESTS:
        headers |= {"X-RateLimit-Limit": str(bucket.ceiling), "X-RateLimit-Remaining": "0"}
    return headers
