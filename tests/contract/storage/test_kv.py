"""Keys and values: one writer wins, listings go by code points, and what is metered adds up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.kv import KvPage, KvStore, KvWrite
from handlers.core.kv_cleaning import KvCleaning
from handlers.core.meters import MeterBook
from storage.database import Database
from storage.repositories.kv import KvItems, successor
from tests.contract.storage.conftest import Two

NOON = datetime(2026, 5, 30, 12, tzinfo=UTC).timestamp()
DAY = 86_400


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kv(database: Database, clock: Clock) -> KvStore:
    return KvStore(KvItems(database), MeterBook(database, clock), clock)


def write(key: str, value: bytes = b"1", **more: int) -> KvWrite:
    return KvWrite(key, "json", "application/json", value, **more)


async def test_an_item_is_its_projects_alone(kv: KvStore, projects: Two) -> None:
    mine, other = projects.mine.id, projects.other.id
    item = await kv.put(mine, write("a/b", b"[1]"))
    assert (item.version, item.size_bytes, item.value) == (1, 6, None)
    assert await kv.get(mine, "a/b") == replace(item, value=b"[1]")
    for act in (kv.get, kv.delete):
        with pytest.raises(NotFound):
            await act(other, "a/b")
    assert await kv.list(other, KvPage()) == ([], None)
    assert (await kv.summary(other)).sums.item_count == 0


async def test_versions_count_up_and_guard(kv: KvStore, projects: Two) -> None:
    mine = projects.mine.id
    first = await kv.put(mine, write("k", if_version=0))
    second = await kv.put(mine, write("k", if_version=1))
    assert (second.version, second.created_us) == (2, first.created_us)
    for wrong in (0, 1, 3):
        with pytest.raises(Conflict):
            await kv.put(mine, write("k", b"9", if_version=wrong))
    with pytest.raises(Conflict):
        await kv.put(mine, write("absent", if_version=1))
    with pytest.raises(Conflict):
        await kv.delete(mine, "k", 1)
    assert (await kv.get(mine, "k")).version == 2
    assert (await kv.delete(mine, "k", 2)).version == 2
    with pytest.raises(NotFound):
        await kv.delete(mine, "k", 2)


@pytest.mark.parametrize("if_version", [0, 1])
async def test_of_many_writers_by_one_version_one_wins(kv: KvStore, projects: Two, if_version: int) -> None:
    mine = projects.mine.id
    if if_version:
        await kv.put(mine, write("k"))
    writes = [kv.put(mine, write("k", b"%d" % n, if_version=if_version)) for n in range(10)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    won = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, BaseException)]
    assert len(won) == 1
    assert [type(outcome) for n, outcome in enumerate(outcomes) if n not in won] == [Conflict] * 9
    found = await kv.get(mine, "k")
    assert (found.value, found.version) == (b"%d" % won[0], if_version + 1)


async def test_what_is_counted_is_exact_under_concurrency(kv: KvStore, projects: Two) -> None:
    mine = projects.mine.id
    await asyncio.gather(*(kv.put(mine, write(f"k{n % 5}", b"x" * n)) for n in range(20)))
    await asyncio.gather(*(kv.get(mine, f"k{n}") for n in range(5)))
    await asyncio.gather(*(kv.delete(mine, f"k{n}") for n in range(3)))
    summary = await kv.summary(mine)
    left = [await kv.get(mine, f"k{n}") for n in (3, 4)]
    assert summary.sums.item_count == 2
    assert summary.sums.storage_bytes == sum(item.size_bytes for item in left)
    assert summary.ingress_bytes == sum(2 + n for n in range(20))
    again = await kv.summary(mine)
    assert again.egress_bytes - summary.egress_bytes == summary.sums.storage_bytes


async def test_reads_at_once_get_each_their_own(kv: KvStore, projects: Two) -> None:
    places = [(project.id, f"k{n}") for project in (projects.mine, projects.other) for n in range(20)]
    for project_id, key in places:
        await kv.put(project_id, write(key, f'"{project_id}{key}"'.encode()))
    found = await asyncio.gather(*(kv.get(*place) for place in places))
    assert [item.value for item in found] == [f'"{project_id}{key}"'.encode() for project_id, key in places]


async def test_an_item_whose_time_is_over_is_gone_at_once(kv: KvStore, projects: Two, clock: Clock) -> None:
    mine = projects.mine.id
    await kv.put(mine, write("k", expires_us=kv.after(10)))
    clock.now += 9.9
    assert (await kv.get(mine, "k")).version == 1
    clock.now += 0.1
    with pytest.raises(NotFound):
        await kv.get(mine, "k")
    with pytest.raises(NotFound):
        await kv.delete(mine, "k")
    assert await kv.list(mine, KvPage()) == ([], None)
    assert (await kv.summary(mine)).sums.item_count == 0
    assert (await kv.put(mine, write("k", if_version=0))).version == 1


async def test_storage_is_metered_by_the_second_to_its_end(kv: KvStore, projects: Two, clock: Clock) -> None:
    """An item that expires counts up to then, whenever that is noticed; a month ends at midnight in UTC."""
    mine = projects.mine.id
    await kv.put(mine, write("a", b"x" * 99))
    await kv.put(mine, write("b", b"x" * 9, expires_us=kv.after(60)))
    clock.now += 3600
    assert (await kv.summary(mine)).storage_byte_seconds == 100 * 3600 + 10 * 60
    clock.now = NOON + 2 * DAY
    june = await kv.summary(mine)
    assert (june.month, june.storage_byte_seconds) == ("2026-06", 100 * DAY // 2)
    by_kind = await kv.meters.of_month(mine, "2026-05")
    assert by_kind["kv.storage_byte_seconds"] == 100 * DAY * 3 // 2 + 10 * 60
    assert by_kind["kv.ingress_bytes"] == 110


async def test_the_job_meters_projects_where_nothing_happens(kv: KvStore, projects: Two, clock: Clock) -> None:
    mine = projects.mine.id
    await kv.put(mine, write("a", b"x" * 9, expires_us=kv.after(5)))
    clock.now += 100
    assert await KvCleaning(kv)._settle() >= 1
    assert (await kv.meters.of_month(mine, "2026-05"))["kv.storage_byte_seconds"] == 50


async def test_costs_begin_where_the_free_ends(kv: KvStore, projects: Two) -> None:
    mine = projects.mine.id
    tariff = replace(
        kv.tariff, free_ingress_bytes=4, free_egress_bytes=100, ingress_usd_per_gb=2e9, egress_usd_per_gb=1
    )
    await kv.put(mine, write("a", b"x" * 9))
    summary = await replace(kv, tariff=tariff).summary(mine)
    assert (summary.ingress_cost_usd, summary.egress_cost_usd, summary.storage_cost_usd) == (12.0, 0.0, 0.0)


KEYS = ["a", "a/", "a/b", "a/b c?#%&", "a0", "aa", "ab/ü", "b", "ä", "\ue000", "\U0001f600"]


async def test_listings_go_by_code_points_and_prefixes(kv: KvStore, projects: Two) -> None:
    mine = projects.mine.id
    for key in reversed(KEYS):
        await kv.put(mine, write(key))

    async def keys(**page: object) -> list[str]:
        found: list[str] = []
        after = None
        while True:
            items, after = await kv.list(mine, KvPage(after=after, **page))  # type: ignore[arg-type]
            assert all(item.value is None for item in items)
            found += [item.key for item in items]
            if after is None:
                return found

    assert await keys() == KEYS == await keys(limit=3)
    for prefix in ("a", "a/", "ä", "\ue000", "zz", "\U0010ffff"):
        assert await keys(prefix=prefix, limit=1) == [key for key in KEYS if key.startswith(prefix)]
    items, _ = await kv.list(mine, KvPage("a/b", with_values=True))
    assert [item.value for item in items] == [b"1", b"1"]
    used = await kv.meters.of_month(mine, "2026-05")
    assert used["kv.egress_bytes"] == sum(item.size_bytes for item in items)


def test_the_successor_of_a_prefix_is_behind_all_that_begin_with_it() -> None:
    assert successor("a") == "b"
    assert successor("a\ud7ff") == "a\ue000"
    assert successor("a\U0010ffff") == "b"
    assert successor("\U0010ffff") is None
    assert successor("") is None


@pytest.mark.parametrize("key", ["", "a\0b", "a" * 513])
async def test_keys_have_bounds(kv: KvStore, projects: Two, key: str) -> None:
    with pytest.raises(Invalid):
        await kv.put(projects.mine.id, write(key))
    with pytest.raises(Invalid):
        await kv.get(projects.mine.id, key)
