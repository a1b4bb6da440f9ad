from __future__ import annotations

import pytest

from handlers.core.call import Caller
from handlers.core.errors import Forbidden, Invalid, PaymentRequired, RateLimited
from handlers.core.keys import Bootstrap, KeyDraft, Rates, Tenancy, bootstrap
from handlers.core.quota import Quota
from storage.database import Database
from storage.errors import StorageUnavailable
from tests.unit.core.conftest import Clock, lose


@pytest.fixture
async def tenancy(database: Database, clock: Clock) -> Tenancy:
    made = Tenancy(database, clock=clock)
    await bootstrap(made, Bootstrap())
    return made


@pytest.fixture
async def caller(tenancy: Tenancy) -> Caller:
    issued = await tenancy.create_key("test", "default", KeyDraft())
    return Caller(issued.key.project_id, "default", issued.key.id)


async def admitted(quota: Quota, caller: Caller, tokens: int = 0, tries: int = 100) -> int:
    for number in range(tries):
        try:
            await quota.admit(caller, tokens)
        except RateLimited:
            return number
    return tries


async def test_without_limits_nothing_is_asked_after_the_first_request(
    database: Database, caller: Caller, clock: Clock
) -> None:
    quota = Quota(database, clock)
    await quota.settle(await quota.admit(caller, 10), tokens=99, cost_micros=5)
    lose(database)
    assert await admitted(quota, caller, tokens=10**9) == 100


async def test_a_block_is_one_percent_of_the_limit_and_asks_nothing_until_it_is_used_up(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(requests_per_minute=1_000))
    quota = Quota(database, clock)
    await quota.admit(caller)
    lose(database)
    for _ in range(9):
        await quota.admit(caller)
    with pytest.raises(StorageUnavailable):
        await quota.admit(caller)


async def test_a_limit_starts_anew_with_the_minute_and_says_when(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(requests_per_minute=3))
    clock.now = 1_790_000_040.0 // 60 * 60 + 17.5
    quota = Quota(database, clock)
    assert await admitted(quota, caller) == 3
    with pytest.raises(RateLimited) as refused:
        await quota.admit(caller)
    assert refused.value.retry_after_seconds == 43
    assert refused.value.headers == {
        "Retry-After": "43",
        "X-RateLimit-Limit": "3",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(clock.now + 42.5)),
    }
    clock.now += refused.value.retry_after_seconds
    assert await admitted(quota, caller) == 3


async def test_a_key_is_limited_beside_its_project(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(requests_per_minute=8))
    await tenancy.set_limits("test", "default", Rates(requests_per_minute=5), caller.key_id)
    quota = Quota(database, clock)
    assert await admitted(quota, caller) == 5
    # what the key's limit refused did not use up the project's
    assert await admitted(quota, Caller(caller.project_id, "default")) == 3


async def test_tokens_are_corrected_to_what_was_used(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(tokens_per_minute=100, tokens_per_day=150))
    quota = Quota(database, clock)
    await quota.settle(await quota.admit(caller, 90), tokens=20)
    assert await admitted(quota, caller, tokens=10) == 8
    clock.now += 60
    await quota.settle(await quota.admit(caller, 10), tokens=45)
    with pytest.raises(RateLimited) as refused:
        await quota.admit(caller, 10)
    assert "tokens per day" in refused.value.message
    assert refused.value.retry_after_seconds > 60


async def test_a_request_larger_than_the_limit_says_so(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(tokens_per_minute=100))
    quota = Quota(database, clock)
    with pytest.raises(Invalid, match="may use 101 tokens") as refused:
        await quota.admit(caller, 101)
    assert (refused.value.code, refused.value.retryable) == ("request_exceeds_token_limit", False)
    assert await quota.admit(caller, 100)


async def test_a_limit_of_nothing_is_no_matter_of_waiting(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(requests_per_day=0))
    with pytest.raises(Forbidden):
        await Quota(database, clock).admit(caller)


async def test_the_requests_of_a_day_are_counted_beside_those_of_a_minute(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(requests_per_minute=3, requests_per_day=5), caller.key_id)
    clock.now = 1_790_000_000 // 86_400 * 86_400 + 86_400 - 90.0
    quotas = Quota(database, clock), Quota(database, clock)
    assert sum([await admitted(quota, caller, tries=2) for quota in quotas]) == 3
    clock.now += 60
    assert sum([await admitted(quota, caller, tries=2) for quota in quotas]) == 2
    with pytest.raises(RateLimited, match="requests per day") as refused:
        await quotas[1].admit(caller)
    assert refused.value.headers == {
        "Retry-After": "30",
        "X-RateLimit-Limit": "5",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(clock.now + 30)),
    }
    clock.now += 30
    assert await admitted(quotas[0], caller, tries=2) == 2


async def test_a_limit_on_tokens_says_when_it_begins_anew(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(tokens_per_minute=100))
    quota = Quota(database, clock)
    await quota.admit(caller, 60)
    with pytest.raises(RateLimited) as refused:
        await quota.admit(caller, 60)
    seconds = refused.value.retry_after_seconds
    assert refused.value.headers == {"Retry-After": str(seconds), "X-RateLimit-Reset": str(int(clock.now) + seconds)}


async def test_a_changed_limit_holds_from_the_next_look_on(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    quota = Quota(database, clock)
    assert await admitted(quota, caller, tries=5) == 5
    await tenancy.set_limits("test", "default", Rates(requests_per_minute=2))
    await quota.refresh()
    assert await admitted(quota, caller) == 2
    await tenancy.set_limits("test", "default", Rates())
    await quota.refresh()
    assert await admitted(quota, caller, tries=5) == 5


async def test_an_idle_block_goes_back(database: Database, tenancy: Tenancy, caller: Caller, clock: Clock) -> None:
    await tenancy.set_limits("test", "default", Rates(tokens_per_day=1_000))
    idle, busy = Quota(database, clock), Quota(database, clock)
    await idle.settle(await idle.admit(caller, 500), tokens=0)
    assert await admitted(busy, caller, tokens=600, tries=1) == 0
    await idle.refresh()  # more than a block
    await idle.refresh()  # and a block that nobody used
    clock.now += 1
    assert await admitted(busy, caller, tokens=1_000, tries=1) == 1


async def test_a_budget_of_a_day_ends_with_what_requests_cost(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(micro_usd_per_day=1_000), caller.key_id)
    one, other = Quota(database, clock), Quota(database, clock)
    await one.settle(await one.admit(caller, 10), tokens=10, cost_micros=600)
    await other.settle(await other.admit(caller, 10), tokens=10, cost_micros=700)
    for quota in (one, other):
        await quota.refresh()
        await quota.refresh()
        assert not await quota.is_solvent(caller)
        with pytest.raises(PaymentRequired, match=r"0\.001 US dollars") as refused:
            await quota.admit(caller, 10)
        assert refused.value.code == "budget_exhausted"
        assert await quota.admit(caller, 10, free=True)
    assert await one.admit(Caller(caller.project_id, "default"), 10)
    clock.now += 86_400
    assert await one.is_solvent(caller)
    assert await one.admit(caller, 10)


async def test_what_costs_nothing_counts_against_a_budget_when_it_costs_after_all(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_limits("test", "default", Rates(micro_usd_per_day=1_000))
    quota = Quota(database, clock)
    await quota.settle(await quota.admit(caller, 10, free=True), tokens=10, cost_micros=1_000)
    assert not await quota.is_solvent(caller)


async def test_what_costs_nothing_needs_no_credits(
    database: Database, tenancy: Tenancy, caller: Caller, clock: Clock
) -> None:
    await tenancy.set_credits("test", "default", 0)
    quota = Quota(database, clock)
    assert not await quota.is_solvent(caller)
    with pytest.raises(PaymentRequired):
        await quota.admit(caller, 10)
    assert await quota.admit(caller, 10, free=True)
    await tenancy.set_credits("test", "default", 1)
    await quota.refresh()
    assert await quota.is_solvent(caller)


async def test_prepaid_credits_end(database: Database, tenancy: Tenancy, caller: Caller, clock: Clock) -> None:
    await tenancy.set_credits("test", "default", 1_000)
    quota = Quota(database, clock)
    await quota.settle(await quota.admit(caller), tokens=1, cost_micros=999)
    await quota.settle(await quota.admit(caller), tokens=1, cost_micros=50)
    with pytest.raises(PaymentRequired):
        await quota.admit(caller)
    await tenancy.set_credits("test", "default", 1)
    await quota.refresh()
    assert await quota.admit(caller)
    await tenancy.set_credits("test", "default", None)
    await quota.refresh()
    assert await quota.admit(caller)
