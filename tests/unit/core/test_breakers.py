from __future__ import annotations

from handlers.core.breakers import WINDOW, Breakers, Rule
from handlers.core.catalog import Deployment
from tests.unit.core.conftest import Clock

PLACE, OTHER = Deployment("openai", "gpt"), Deployment("openrouter", "gpt")


def fail(breakers: Breakers, times: int) -> None:
    for _ in range(times):
        assert breakers.admit(PLACE)
        breakers.fail(PLACE)


def test_failures_in_a_row_open_it_for_this_deployment_alone(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=3), clock)
    fail(breakers, 3)
    assert not breakers.admit(PLACE)
    assert breakers.admit(OTHER)
    assert (breakers.state(PLACE), breakers.state(OTHER)) == ("open", "closed")
    assert breakers.rest_seconds([PLACE, OTHER]) == 10


def test_a_success_in_between_begins_the_row_anew(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=3), clock)
    fail(breakers, 2)
    breakers.succeed(PLACE)
    fail(breakers, 2)
    assert breakers.admit(PLACE)


def test_half_of_many_calls_failing_opens_it_although_none_follow_each_other(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=3), clock)
    for _ in range(WINDOW // 2):
        breakers.succeed(PLACE)
        fail(breakers, 1)
    breakers.succeed(PLACE)
    fail(breakers, 1)
    assert breakers.state(PLACE) == "open"


def test_one_call_finds_out_whether_it_is_well_again(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=1, rest_seconds=10), clock)
    fail(breakers, 1)
    clock.now += 10
    assert breakers.state(PLACE) == "half_open"
    assert [breakers.admit(PLACE) for _ in range(3)] == [True, False, False]
    breakers.succeed(PLACE)
    assert breakers.state(PLACE) == "closed"
    assert breakers.admit(PLACE)


def test_a_probe_that_fails_lets_it_rest_again(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=3, rest_seconds=10), clock)
    fail(breakers, 3)
    clock.now += 10
    fail(breakers, 1)
    assert breakers.state(PLACE) == "open"
    assert breakers.rest_seconds([PLACE]) == 10


def test_a_probe_that_was_given_up_leaves_its_place_to_another(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=1, rest_seconds=10), clock)
    fail(breakers, 1)
    clock.now += 10
    assert breakers.admit(PLACE)
    breakers.abandon(PLACE)
    assert breakers.admit(PLACE)


def test_a_call_that_ends_well_after_it_was_opened_does_not_close_it(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=1), clock)
    fail(breakers, 1)
    breakers.succeed(PLACE)
    assert breakers.state(PLACE) == "open"


def test_none_opens_when_the_rule_says_never(clock: Clock) -> None:
    breakers = Breakers(Rule(failures=0), clock)
    fail(breakers, 3 * WINDOW)
    assert breakers.admit(PLACE)
