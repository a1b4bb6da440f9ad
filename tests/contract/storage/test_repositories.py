"""Each repository keeps what it is given, and one project from another."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson

from storage.database import Database
from storage.presence import Presence
from storage.repositories.audit import Audit, Entry
from storage.repositories.changes import Changes
from storage.repositories.credits import Credits
from storage.repositories.idempotency import IdempotencyEntry, IdempotencyKeys
from storage.repositories.keys import Key, Keys
from storage.repositories.limits import Limit, Limits, Window
from storage.repositories.models import RegisteredModel, RegisteredModels
from storage.repositories.projects import Projects
from tests.contract.storage.conftest import Two

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def key_of(project_id: str, number: int = 1) -> Key:
    return Key(
        id=f"key_{project_id}_{number}",
        project_id=project_id,
        name="test",
        digest=f"digest of {project_id} {number}",
        prefix="ck_",
        last4="abcd",
        created_at=NOW + timedelta(seconds=number),
        models=frozenset({"a/b", "c"}),
    )


async def test_a_key_is_seen_by_its_own_project_alone(database: Database, projects: Two) -> None:
    keys, key = Keys(database), key_of(projects.mine.id)
    async with database.writing() as tx:
        await keys.insert(tx, key)
    assert await keys.get(projects.mine.id, key.id) == key
    assert await keys.list(projects.mine.id) == [key]
    assert await keys.get(projects.other.id, key.id) is None
    assert await keys.list(projects.other.id) == []
    async with database.writing() as tx:
        await keys.change(tx, replace(key, project_id=projects.other.id, name="stolen"))
        await keys.delete(tx, projects.other.id, key.id)
    assert await keys.get(projects.mine.id, key.id) == key


async def test_a_presented_key_comes_with_its_project_until_it_is_revoked(database: Database, projects: Two) -> None:
    keys, key = Keys(database), key_of(projects.mine.id)
    async with database.writing() as tx:
        await keys.insert(tx, key)
    assert await keys.presented(key.digest) == (key, projects.mine.slug)
    assert await keys.owner(key.digest) == projects.mine.id
    async with database.writing() as tx:
        await keys.change(tx, replace(key, revoked_at=NOW))
    assert await keys.presented(key.digest) is None
    assert await keys.owner(key.digest) == projects.mine.id


async def test_the_latest_use_of_a_key_stands(database: Database, projects: Two) -> None:
    keys, used, unused = Keys(database), key_of(projects.mine.id, 1), key_of(projects.mine.id, 2)
    async with database.writing() as tx:
        await keys.insert(tx, used)
        await keys.insert(tx, unused)
    await keys.touch({used.id: NOW})
    await keys.touch({used.id: NOW - timedelta(hours=1)})
    assert [key.last_used_at for key in await keys.list(projects.mine.id)] == [None, NOW]


async def test_a_deleted_project_frees_its_slug_and_takes_its_keys_with_it(database: Database, projects: Two) -> None:
    keys, repository, mine = Keys(database), Projects(database), projects.mine
    async with database.writing() as tx:
        await keys.insert(tx, key_of(mine.id))
        await keys.insert(tx, key_of(projects.other.id))
        await repository.delete(tx, mine.id, NOW)
    assert await repository.find(mine.slug) is None
    assert await repository.get(mine.id) is None
    assert await keys.list(mine.id) == []
    assert len(await keys.list(projects.other.id)) == 1
    heir = replace(mine, id=mine.id + "2")
    async with database.writing() as tx:
        await repository.insert(tx, heir)
    assert await repository.find(mine.slug) == heir
    assert mine.slug in [project.slug for project in await repository.list(mine.organisation_id)]


async def test_the_audit_log_is_newest_first_and_by_project(database: Database, projects: Two) -> None:
    audit = Audit(database)
    entries = [
        Entry(NOW, "cli", "key.create", "key_1", projects.mine.id, {"name": "a"}),
        Entry(NOW, "cli", "key.create", "key_2", projects.other.id),
        Entry(NOW, "cli", "key.revoke", "key_1", projects.mine.id),
    ]
    async with database.writing() as tx:
        for entry in entries:
            await audit.append(tx, entry)
    assert await audit.list() == [*reversed(entries), *(await audit.list())[3:]]
    assert (await audit.list(projects.mine.id))[:2] == [entries[2], entries[0]]
    assert entries[1] not in await audit.list(projects.mine.id)


async def test_the_change_counter_goes_up(database: Database) -> None:
    changes = Changes(database)
    before = await changes.current()
    for _ in range(2):
        async with database.writing() as tx:
            await changes.bump(tx)
    assert await changes.current() == before + 2


async def test_limits_are_replaced_and_seen_by_their_own_project_alone(database: Database, projects: Two) -> None:
    limits, mine, other = Limits(database), projects.mine.id, projects.other.id
    async with database.writing() as tx:
        await limits.put(tx, Limit(mine, mine, requests_per_minute=5))
        await limits.put(tx, Limit(mine, mine, tokens_per_day=7))
    assert await limits.get(mine, mine) == Limit(mine, mine, tokens_per_day=7)
    assert await limits.get(other, mine) is None
    async with database.writing() as tx:
        await limits.delete(tx, other, mine)
    assert await limits.get(mine, mine) is not None


async def test_a_window_hands_out_no_more_than_its_ceiling(database: Database, projects: Two) -> None:
    limits = Limits(database)
    window = Window(projects.mine.id, projects.mine.id, "requests_per_minute", 600, 60)
    grants = [await limits.take(window, 4, 2, 10) for _ in range(4)]
    assert grants == [4, 4, 2, 0]
    await limits.charge(window, -4)
    assert await limits.take(window, 5, 4, 10) == 4
    assert await limits.taken(window) == 10
    assert await limits.taken(replace(window, project_id=projects.other.id)) == 0
    assert await limits.take(replace(window, start=660), 4, 2, 10) == 4


async def test_windows_long_past_are_dropped(database: Database, projects: Two) -> None:
    limits = Limits(database)
    old = Window(projects.mine.id, projects.mine.id, "tokens_per_minute", 600, 60)
    await limits.take(old, 3, 3, 10)
    await limits.take(replace(old, start=660), 3, 3, 10)
    assert await limits.taken(old) == 3
    await limits.take(replace(old, start=1200), 3, 3, 10)
    assert await limits.taken(old) == 0


async def test_a_balance_is_the_sum_of_its_entries(database: Database, projects: Two) -> None:
    credit, mine = Credits(database), projects.mine.id
    assert await credit.balance(mine) is None
    for balance in (1_000, 250, None):
        async with database.writing() as tx:
            await credit.set(tx, mine, balance, NOW)
        assert await credit.balance(mine) == balance
        assert sum(entry.amount_micros for entry in await credit.entries(mine)) == (balance or 0)
    assert [entry.kind for entry in await credit.entries(mine)] == ["closed", "set", "set"]
    assert await credit.entries(projects.other.id) == []
    assert await credit.balance(projects.other.id) is None


async def test_registered_models_belong_to_their_project(database: Database, projects: Two) -> None:
    models = RegisteredModels(database)
    model = RegisteredModel(projects.mine.id, "meta/llama", "llama", "ollama", "llm", NOW, {"b": 1, "a": [None]})
    await models.put(model)
    await models.put(replace(model, provider_id="vllm", created_at=NOW + timedelta(days=1)))
    changed = replace(model, provider_id="vllm")
    assert await models.get(projects.mine.id, "meta/llama") == changed
    assert await models.list(projects.mine.id) == [changed]
    assert await models.get(projects.other.id, "meta/llama") is None
    assert await models.list(projects.other.id) == []
    assert await models.delete(projects.other.id, "meta/llama") is False
    assert await models.delete(projects.mine.id, "meta/llama") is True
    assert await models.get(projects.mine.id, "meta/llama") is None


async def test_numbers_of_any_size_come_back_as_json_has_them(database: Database, projects: Two) -> None:
    numbers = [1e308, -1e30, 2**64 - 1, -(2**63), 1.5, 0]
    model = RegisteredModel(projects.mine.id, "m", "m", "ollama", "llm", NOW, {"numbers": numbers})
    await RegisteredModels(database).put(model)
    found = await RegisteredModels(database).get(projects.mine.id, "m")
    assert found is not None
    assert found.metadata == model.metadata
    assert orjson.loads(orjson.dumps(found.metadata)) == {"numbers": numbers}


async def test_idempotency_keys_of_two_projects_do_not_meet(database: Database, projects: Two) -> None:
    keys = IdempotencyKeys(database)
    entry = IdempotencyEntry(projects.mine.id, "k", "c1", "gone", "op", "f", NOW + timedelta(days=1))
    theirs = replace(entry, project_id=projects.other.id, claim_id="c2")
    assert await keys.claim(entry, NOW)
    assert await keys.claim(theirs, NOW)
    answered = replace(entry, status=201, headers={"a": "b"}, body=b"\x00body")
    await keys.answer(answered)
    assert await keys.get(projects.mine.id, "k") == answered
    assert await keys.get(projects.other.id, "k") == theirs
    await keys.release(theirs)
    assert await keys.get(projects.other.id, "k") is None
    assert await keys.get(projects.mine.id, "k") == answered


async def test_an_idempotency_key_is_free_again_when_it_expired_or_its_process_died(
    database: Database, projects: Two
) -> None:
    keys, alive = IdempotencyKeys(database), Presence(database, clock=NOW.timestamp)
    await alive.beat()
    first = IdempotencyEntry(projects.mine.id, "k", "c1", alive.process_id, "op", "f", NOW + timedelta(days=1))
    second = replace(first, claim_id="c2", process_id="gone")
    assert await keys.claim(first, NOW)
    assert not await keys.claim(second, NOW)
    await alive.leave()
    assert await keys.claim(second, NOW)
    await keys.answer(replace(first, status=500))  # too late: the key is the second's
    await keys.answer(replace(second, status=201, headers={}, body=b"x"))
    assert not await keys.claim(first, NOW + timedelta(hours=23))
    assert await keys.claim(first, NOW + timedelta(days=1))
    await keys.purge(NOW + timedelta(days=1))
    assert await keys.get(projects.mine.id, "k") is None
