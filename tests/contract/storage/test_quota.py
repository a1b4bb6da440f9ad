"""Limits hold over processes that share nothing but the database."""

from __future__ import annotations

import asyncio

import pytest

from handlers.core.call import Caller
from handlers.core.errors import PaymentRequired, RateLimited
from handlers.core.keys import Rates, Tenancy
from handlers.core.quota import Quota, Reservation
from storage.database import Database
from storage.repositories.limits import Limits, Window
from tests.contract.storage.conftest import Two

NOON = 1_790_000_000 // 86_400 * 86_400 + 43_200.0


async def ask(quota: Quota, caller: Caller, tokens: int = 0) -> Reservation | None:
    try:
        return await quota.admit(caller, tokens)
    except RateLimited:
        return None


@pytest.mark.parametrize("limit", [7, 1_000])
async def test_two_processes_together_admit_what_the_limit_allows_and_no_more(
    database: Database, projects: Two, limit: int
) -> None:
    await Tenancy(database).set_limits("test", projects.mine.slug, Rates(requests_per_minute=limit))
    caller = Caller(projects.mine.id, projects.mine.slug)
    quotas = [Quota(database, clock=lambda: NOON) for _ in range(2)]
    asked = [ask(quotas[number % 2], caller) for number in range(limit + 60)]
    admitted = [answer for answer in await asyncio.gather(*asked) if answer is not None]
    # what one process leased in its last block and did not use the other cannot have
    assert limit - limit // 100 <= len(admitted) <= limit


async def test_tokens_that_one_process_gives_back_another_may_use(database: Database, projects: Two) -> None:
    await Tenancy(database).set_limits("test", projects.mine.slug, Rates(tokens_per_day=1_000))
    caller = Caller(projects.mine.id, projects.mine.slug)
    first, second = (Quota(database, clock=lambda: NOON) for _ in range(2))
    reservation = await first.admit(caller, 1_000)
    assert await ask(second, caller, 400) is None
    await first.settle(reservation, tokens=600)
    await first.close()
    await second.close()
    third = Quota(database, clock=lambda: NOON)
    assert await ask(third, caller, 401) is None
    assert await third.admit(caller, 400)


async def test_what_was_used_beyond_the_estimate_counts_for_everybody(database: Database, projects: Two) -> None:
    await Tenancy(database).set_limits("test", projects.mine.slug, Rates(tokens_per_minute=100))
    caller = Caller(projects.mine.id, projects.mine.slug)
    first, second = (Quota(database, clock=lambda: NOON) for _ in range(2))
    await first.settle(await first.admit(caller, 10), tokens=95)
    assert await ask(second, caller, 6) is None
    window = Window(projects.mine.id, projects.mine.id, "tokens_per_minute", int(NOON), 60)
    assert await Limits(database).taken(window) == 95


async def test_another_projects_limit_and_balance_are_its_own(database: Database, projects: Two) -> None:
    tenancy = Tenancy(database)
    await tenancy.set_limits("test", projects.other.slug, Rates(requests_per_minute=0))
    await tenancy.set_credits("test", projects.other.slug, 0)
    quota = Quota(database, clock=lambda: NOON)
    assert await quota.admit(Caller(projects.mine.id, projects.mine.slug), 5)
    with pytest.raises(PaymentRequired):
        await quota.admit(Caller(projects.other.id, projects.other.slug), 5)
