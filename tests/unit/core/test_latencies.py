"""What is remembered of how long deployments took."""

from __future__ import annotations

import pytest

from handlers.core import trials
from handlers.core.asks import ChatAsk
from handlers.core.catalog import Deployment
from handlers.core.latencies import FAILURE_SECONDS, FRESH_SECONDS, MOST_KNOWN, Latencies
from handlers.core.routing import Attempt
from providers.errors import Refused, Unavailable
from tests.unit.core.conftest import Clock
from tests.unit.core.vendors import Vendor
from tests.unit.handlers.bench import FULL, make_call, make_services, said

PLACE = FULL.deployments[0]
ATTEMPT = Attempt(ChatAsk(models=(FULL.id,), messages=said("hi")), FULL, PLACE, Vendor("openai"), 0)


def test_the_newest_measure_counts_for_most_and_streams_are_measured_apart(clock: Clock) -> None:
    latencies = Latencies(clock)
    latencies.note(PLACE, False, 1.0)
    latencies.note(PLACE, False, 2.0)
    assert latencies.seconds(PLACE, False) == pytest.approx(1.3)
    assert latencies.seconds(PLACE, True) is None


def test_what_was_not_asked_for_long_is_not_known(clock: Clock) -> None:
    latencies = Latencies(clock)
    latencies.note(PLACE, False, 1.0)
    clock.now += FRESH_SECONDS
    assert latencies.seconds(PLACE, False) is None


def test_what_was_given_up_takes_that_long_at_least(clock: Clock) -> None:
    latencies = Latencies(clock)
    latencies.note_unfinished(PLACE, False, 3.0)
    latencies.note_unfinished(PLACE, False, 1.0)
    assert latencies.seconds(PLACE, False) == 3.0


def test_all_is_forgotten_when_there_is_no_room_for_another(clock: Clock) -> None:
    latencies = Latencies(clock)
    places = [Deployment("acme", str(number)) for number in range(MOST_KNOWN + 1)]
    for place in places[:-1]:
        latencies.note(place, False, 1.0)
    latencies.note(places[0], False, 1.0)
    assert latencies.seconds(places[1], False) == 1.0
    latencies.note(places[-1], False, 2.0)
    assert [latencies.seconds(place, False) for place in (places[0], places[-1])] == [None, 2.0]


def test_a_measure_that_is_too_old_does_not_count_for_the_next(clock: Clock) -> None:
    latencies = Latencies(clock)
    latencies.note(PLACE, False, 100.0)
    clock.now += FRESH_SECONDS
    latencies.note(PLACE, False, 1.0)
    assert latencies.seconds(PLACE, False) == 1.0


async def test_every_call_is_measured(clock: Clock) -> None:
    latencies = Latencies(clock)
    call = make_call("maniac", make_services(latencies=latencies))

    async def act(attempt: Attempt) -> str:
        clock.now += 2.5
        return "said"

    await trials.try_each([ATTEMPT], act, call)
    assert latencies.seconds(PLACE, False) == 2.5


@pytest.mark.parametrize(("error", "seconds"), [(Unavailable("down"), FAILURE_SECONDS), (Refused("no"), None)])
async def test_a_failure_is_slow_however_quick_it_came(clock: Clock, error: Exception, seconds: float | None) -> None:
    latencies = Latencies(clock)
    call = make_call("maniac", make_services(latencies=latencies))

    async def act(attempt: Attempt) -> str:
        raise error

    with pytest.raises(Exception, match=str(error)):
        await trials.try_each([ATTEMPT], act, call)
    assert latencies.seconds(PLACE, False) == seconds
