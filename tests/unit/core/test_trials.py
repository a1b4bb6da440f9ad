from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from handlers.core import trials
from handlers.core.asks import ChatAsk
from handlers.core.breakers import Breakers, Rule
from handlers.core.call import Call
from handlers.core.catalog import Deployment
from handlers.core.errors import Invalid, RateLimited, Unavailable, UpstreamFailed
from handlers.core.patience import Patience
from handlers.core.routing import Attempt
from handlers.core.trials import Hedge
from providers import errors
from tests.unit.core.conftest import Clock
from tests.unit.core.vendors import Vendor
from tests.unit.handlers.bench import FULL, make_call, make_services, said

ASK = ChatAsk(models=(FULL.id,), messages=said("hi"))
DOWN = errors.Unavailable("down")
FIRST, SECOND = (
    Attempt(ASK, FULL, place, Vendor(place.vendor), number) for number, place in enumerate(FULL.deployments)
)  # fmt: skip
SIMULATED = Attempt(ASK, FULL, Deployment("simulator", "chat"), Vendor("simulator"), 0)


@dataclass
class Time:
    """A clock that sleeping moves on."""

    clock: Clock
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now += seconds


@pytest.fixture
def time(clock: Clock) -> Time:
    return Time(clock)


PATIENCE, RULE = Patience(), Rule()


def call_at(time: Time, patience: Patience = PATIENCE, rule: Rule = RULE) -> Call:
    patience = replace(patience, sleep=time.sleep)
    return make_call("maniac", make_services(clock=time.clock, patience=patience, breakers=Breakers(rule, time.clock)))


@dataclass
class Script:
    """What each vendor comes to, call by call; then it answers."""

    failures: dict[str, list[errors.ProviderError]]
    asked: list[str] = field(default_factory=list)

    async def __call__(self, attempt: Attempt) -> str:
        self.asked.append(attempt.deployment.vendor)
        left = self.failures.get(attempt.deployment.vendor)
        if left:
            raise left.pop(0)
        return f"{attempt.deployment.vendor} says"


async def test_a_passing_failure_is_tried_again_after_a_wait_that_doubles(time: Time) -> None:
    script = Script({"openai": [DOWN, errors.TimedOut("late")]})
    attempt, said = await trials.try_each([FIRST], script, call_at(time))
    assert (attempt, said) == (FIRST, "openai says")
    assert time.slept == [0.25 * 0.75, 0.5 * 0.75]


async def test_nobody_waits_while_another_deployment_may_answer(time: Time) -> None:
    script = Script({"openai": [DOWN], "openrouter": []})
    attempt, _ = await trials.try_each([FIRST, SECOND], script, call_at(time))
    assert attempt is SECOND
    assert time.slept == []


async def test_when_all_have_failed_they_are_asked_again_in_order(time: Time) -> None:
    script = Script({"openai": [DOWN], "openrouter": [DOWN]})
    attempt, _ = await trials.try_each([FIRST, SECOND], script, call_at(time))
    assert attempt is FIRST
    assert script.asked == ["openai", "openrouter", "openai"]


async def test_retries_come_to_an_end(time: Time) -> None:
    script = Script({"openai": [DOWN] * 9})
    with pytest.raises(Unavailable):
        await trials.try_each([FIRST], script, call_at(time, Patience(retries=3)))
    assert len(script.asked) == 4


async def test_the_vendor_says_how_long_to_wait(time: Time) -> None:
    script = Script({"openai": [errors.Throttled("slow", retry_after_seconds=3)]})
    await trials.try_each([FIRST], script, call_at(time))
    assert time.slept == [3]


async def test_who_asks_for_more_time_than_another_is_left_out_of_the_next_round(time: Time) -> None:
    slow: list[errors.ProviderError] = [errors.Throttled("slow", retry_after_seconds=4)] * 9
    slower: list[errors.ProviderError] = [errors.Throttled("slow", retry_after_seconds=2)]
    script = Script({"openai": slow, "openrouter": slower})
    attempt, _ = await trials.try_each([FIRST, SECOND], script, call_at(time))
    assert attempt is SECOND
    assert script.asked == ["openai", "openrouter", "openrouter"]
    assert time.slept == [2]


async def test_a_wait_beyond_the_budget_is_the_clients(time: Time) -> None:
    script = Script({"openai": [errors.Throttled("slow", retry_after_seconds=6)]})
    with pytest.raises(RateLimited) as caught:
        await trials.try_each([FIRST], script, call_at(time))
    assert caught.value.headers["Retry-After"] == "6"
    assert time.slept == []


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (errors.Refused("no"), Invalid),
        (errors.Unauthorized("key"), UpstreamFailed),
        (errors.BrokenAnswer("html"), UpstreamFailed),
        (errors.Saturated("full"), Unavailable),
    ],
)
async def test_what_will_not_pass_is_not_tried_again(
    time: Time, failure: errors.ProviderError, said: type[Exception]
) -> None:
    script = Script({"openai": [failure]})
    with pytest.raises(said):
        await trials.try_each([FIRST], script, call_at(time))
    assert script.asked == ["openai"]


async def test_the_simulators_faults_are_told_as_they_are(time: Time) -> None:
    call = call_at(time, rule=Rule(failures=1))
    for _ in range(2):
        script = Script({"simulator": [DOWN]})
        with pytest.raises(Unavailable):
            await trials.try_each([SIMULATED], script, call)
        assert script.asked == ["simulator"]


async def test_a_deployment_that_keeps_failing_is_passed_over_until_it_is_well(time: Time) -> None:
    call = call_at(time, Patience(retries=0), Rule(failures=2, rest_seconds=10))
    script = Script({"openai": [DOWN, DOWN]})
    for _ in range(3):
        await trials.try_each([FIRST, SECOND], script, call)
    assert script.asked == ["openai", "openrouter", "openai", "openrouter", "openrouter"]
    time.clock.now += 10
    attempt, _ = await trials.try_each([FIRST, SECOND], script, call)
    assert attempt is FIRST


async def test_when_all_rest_the_client_is_told_for_how_long(time: Time) -> None:
    call = call_at(time, Patience(retries=0), Rule(failures=1, rest_seconds=10))
    script = Script({"openai": [DOWN]})
    with pytest.raises(Unavailable):
        await trials.try_each([FIRST], script, call)
    time.clock.now += 2.5
    with pytest.raises(Unavailable) as caught:
        await trials.try_each([FIRST], script, call)
    assert caught.value.headers["Retry-After"] == "8"
    assert script.asked == ["openai"]


async def test_a_refusal_shows_that_a_deployment_is_well(time: Time) -> None:
    call = call_at(time, Patience(retries=0), Rule(failures=2))
    refused: list[errors.ProviderError] = [DOWN, errors.Refused("no"), DOWN, errors.Refused("no")]
    for _ in range(4):
        with pytest.raises((Unavailable, Invalid)):
            await trials.try_each([FIRST], Script({"openai": [refused.pop(0)]}), call)
    assert call.services.breakers.state(FIRST.deployment) == "closed"


@dataclass
class Gated:
    """Vendors that answer, or fail, when their gate is opened."""

    opened: Sequence[str] = ()
    failures: dict[str, errors.ProviderError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    async def __call__(self, attempt: Attempt) -> str:
        vendor = attempt.deployment.vendor
        self.asked.append(vendor)
        try:
            if vendor not in self.opened:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.append(vendor)
            raise
        if failure := self.failures.get(vendor):
            raise failure
        return vendor

    async def drop(self, result: str) -> None:
        self.dropped.append(result)


async def race(gated: Gated, call: Call) -> tuple[Attempt, Any]:
    return await trials.try_each([FIRST, SECOND], gated, call, Hedge(0.2, gated.drop))


async def test_the_second_deployment_wins_when_the_first_is_slow(time: Time) -> None:
    gated = Gated(["openrouter"])
    attempt, said = await race(gated, call_at(time))
    assert (attempt, said) == (SECOND, "openrouter")
    assert gated.cancelled == ["openai"]
    assert time.slept == [0.2]


async def test_the_second_is_not_asked_when_the_first_is_quick() -> None:
    async def never(seconds: float) -> None:
        await asyncio.Event().wait()

    gated = Gated(["openai"])
    call = make_call("maniac", make_services(patience=Patience(sleep=never)))
    attempt, _ = await race(gated, call)
    assert attempt is FIRST
    assert gated.asked == ["openai"]


async def test_a_race_is_won_by_whoever_does_not_fail(time: Time) -> None:
    gated = Gated(["openai", "openrouter"], {"openai": DOWN})
    attempt, _ = await race(gated, call_at(time))
    assert attempt is SECOND


async def test_a_race_that_all_lose_is_a_failure_of_the_last(time: Time) -> None:
    gated = Gated(["openai", "openrouter"], {"openai": DOWN, "openrouter": errors.TimedOut("late")})
    with pytest.raises(Unavailable):
        await race(gated, call_at(time, Patience(retries=0)))
    assert sorted(gated.asked) == ["openai", "openrouter"]


async def test_no_task_outlives_a_race(time: Time) -> None:
    before = asyncio.all_tasks()
    await race(Gated(["openrouter"]), call_at(time))
    assert asyncio.all_tasks() == before


async def test_what_became_of_each_call_is_noted(time: Time) -> None:
    call = call_at(time)
    await trials.try_each([FIRST, SECOND], Script({"openai": [errors.TimedOut("late")]}), call)
    tries = call.record.tries or []
    assert [(one["vendor"], one["fate"], one.get("error")) for one in tries] == [
        ("openai", "failed", "TimedOut"),
        ("openrouter", "answered", None),
    ]
    assert (call.record.try_count, call.record.requeues) == (2, 1)
    assert all(one["at_us"] >= 0 <= one["took_us"] for one in tries)


async def test_a_call_that_was_given_up_is_noted_as_such(time: Time) -> None:
    call = call_at(time)

    async def leave(attempt: Attempt) -> str:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await trials.try_each([FIRST], leave, call)
    assert [one["fate"] for one in call.record.tries or []] == ["abandoned"]
