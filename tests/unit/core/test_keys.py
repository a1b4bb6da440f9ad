from __future__ import annotations

import asyncio
import sqlite3

import pytest

from handlers.core.errors import Conflict, Invalid, NotFound
from handlers.core.keys import (
    Bootstrap,
    KeyDraft,
    KeyRing,
    Rates,
    RingSettings,
    Tenancy,
    bootstrap,
    digest,
    generate_key,
)
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.repositories.limits import Limit
from storage.tables.types import instant
from tests.unit.core.conftest import Clock, lose


@pytest.fixture
async def tenancy(database: Database, clock: Clock) -> Tenancy:
    made = Tenancy(database, clock=clock)
    await bootstrap(made, Bootstrap())
    return made


def test_a_key_is_made_of_the_randomness_it_is_given() -> None:
    assert generate_key(lambda count: b"\xff" * count) == "ck_" + "_" * 42 + "8"
    assert generate_key() != generate_key()
    assert digest("ck_a") != digest("ck_b")


async def test_no_secret_is_in_the_database(database: Database, tenancy: Tenancy) -> None:
    issued = await tenancy.create_key("cli", "default", KeyDraft())
    token = await tenancy.create_admin_token("cli", "second")
    connection = sqlite3.connect(database.path)
    dump = "\n".join(connection.iterdump())
    connection.close()
    assert issued.key.id in dump
    assert digest(issued.secret) in dump
    assert issued.secret not in dump
    assert token not in dump
    assert issued.secret not in repr(issued)
    assert (issued.key.prefix, issued.key.last4) == ("ck_", issued.secret[-4:])


async def test_a_short_given_key_is_not_shown_even_in_part(tenancy: Tenancy) -> None:
    await bootstrap(tenancy, Bootstrap.parse("default=sk-test"))
    shown = [(key.prefix, key.last4) for key in await tenancy.list_keys("default") if key.name == "bootstrap"]
    assert shown == [("", "")]


async def test_an_api_key_is_no_admin_token_and_an_admin_token_no_api_key(database: Database, tenancy: Tenancy) -> None:
    issued = await tenancy.create_key("cli", "default", KeyDraft())
    token = await tenancy.create_admin_token("cli", "second")
    ring = KeyRing(database)
    for _ in range(2):  # the second time from memory
        assert await ring.find(issued.secret) is not None
        assert not await ring.admin(issued.secret)
        assert await ring.admin(token)
        assert await ring.find(token) is None


async def test_an_admin_token_is_revoked(database: Database, tenancy: Tenancy) -> None:
    token, ring = await tenancy.create_admin_token("cli", "second"), KeyRing(database)
    assert await ring.admin(token)
    (found,) = [entry for entry in await tenancy.list_admin_tokens() if entry.name == "second"]
    await tenancy.revoke_admin_token("cli", found.id)
    await ring.refresh()
    assert not await ring.admin(token)
    with pytest.raises(NotFound):
        await tenancy.revoke_admin_token("cli", found.id)


async def test_a_key_ends_at_its_expiry_also_from_memory(database: Database, tenancy: Tenancy, clock: Clock) -> None:
    issued = await tenancy.create_key("cli", "default", KeyDraft(expires_at=instant(clock.now + 10)))
    ring = KeyRing(database, clock=clock)
    assert await ring.find(issued.secret)
    clock.now += 9.9
    assert await ring.find(issued.secret)
    clock.now += 0.1
    assert await ring.find(issued.secret) is None


async def test_a_rotated_key_works_beside_its_heir_until_the_overlap_ends(
    database: Database, tenancy: Tenancy, clock: Clock
) -> None:
    draft = KeyDraft(name="ci", models=frozenset({"m"}))
    old = await tenancy.create_key("cli", "default", draft)
    await tenancy.set_limits("cli", "default", Rates(tokens_per_day=9), old.key.id)
    ring = KeyRing(database, clock=clock)
    new = await tenancy.rotate_key("cli", "default", old.key.id, overlap_seconds=60)
    assert (new.key.name, new.key.models) == ("ci", frozenset({"m"}))
    assert await tenancy.show_limits("default", new.key.id) == Limit(new.key.id, old.key.project_id, tokens_per_day=9)
    assert await ring.find(old.secret)
    assert await ring.find(new.secret)
    clock.now += 60
    assert await ring.find(old.secret) is None
    assert await ring.find(new.secret)
    with pytest.raises(Conflict):
        await tenancy.rotate_key("cli", "default", old.key.id)


async def test_a_rotation_never_prolongs_a_key(tenancy: Tenancy, clock: Clock) -> None:
    end = instant(clock.now + 30)
    old = await tenancy.create_key("cli", "default", KeyDraft(expires_at=end))
    await tenancy.rotate_key("cli", "default", old.key.id, overlap_seconds=3_600)
    assert {key.expires_at for key in await tenancy.list_keys("default") if key.name == "key"} == {end}


async def test_what_is_remembered_asks_the_database_nothing(database: Database, tenancy: Tenancy, clock: Clock) -> None:
    issued = await tenancy.create_key("cli", "default", KeyDraft())
    token, ring = await tenancy.create_admin_token("cli", "second"), KeyRing(database, clock=clock)
    assert await ring.find(issued.secret)
    assert await ring.admin(token)
    assert await ring.member("default")
    assert await ring.find("ck_wrong") is None
    lose(database)
    assert await ring.find(issued.secret)
    assert await ring.admin(token)
    assert await ring.member("default")
    assert await ring.find("ck_wrong") is None
    with pytest.raises(StorageUnavailable):
        await ring.find("ck_other")
    clock.now += 60  # too long without a look whether the key was revoked
    with pytest.raises(StorageUnavailable):
        await ring.find(issued.secret)


async def test_a_missed_key_is_asked_for_again_after_a_while(
    database: Database, tenancy: Tenancy, clock: Clock
) -> None:
    ring = KeyRing(database, RingSettings(miss_seconds=1.0), clock)
    assert await ring.find("sk-late-arrival-0001") is None
    await tenancy.add_key("cli", "default", "sk-late-arrival-0001", KeyDraft())
    assert await ring.find("sk-late-arrival-0001") is None
    clock.now += 1.1
    assert await ring.find("sk-late-arrival-0001")


async def test_memory_is_bounded(database: Database, tenancy: Tenancy) -> None:
    ring = KeyRing(database, RingSettings(remembered=3))
    secrets = [(await tenancy.create_key("cli", "default", KeyDraft())).secret for _ in range(5)]
    for _ in range(2):
        for secret in secrets:
            assert await ring.find(secret)
            assert await ring.find(secret + "x") is None
    assert max(len(ring._known), len(ring._missed)) <= 3


async def test_a_running_ring_notices_changes_by_itself(database: Database, tenancy: Tenancy) -> None:
    issued = await tenancy.create_key("cli", "default", KeyDraft())
    ring = KeyRing(database, RingSettings(refresh_seconds=0.01, flush_seconds=0.0))
    running = asyncio.ensure_future(ring.run())
    assert await ring.find(issued.secret)
    await tenancy.revoke_key("cli", "default", issued.key.id)
    async with asyncio.timeout(60):
        while await ring.find(issued.secret) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_every_act_is_in_the_audit_log_and_moves_the_counter(database: Database, tenancy: Tenancy) -> None:
    await tenancy.create_organisation("ann", "acme")
    await tenancy.create_project("ann", "shop", organisation="acme")
    issued = await tenancy.create_key("ann", "shop", KeyDraft())
    await tenancy.set_limits("ann", "shop", Rates(requests_per_minute=3))
    await tenancy.set_credits("ann", "shop", 5_000_000)
    heir = await tenancy.rotate_key("ann", "shop", issued.key.id)
    await tenancy.revoke_key("ann", "shop", heir.key.id)
    await tenancy.delete_key("ann", "shop", heir.key.id)
    await tenancy.delete_project("ann", "shop")
    acts = [entry.act for entry in await tenancy.list_audit() if entry.actor == "ann"]
    assert list(reversed(acts)) == [
        "organisation.create",
        "project.create",
        "key.create",
        "limits.set",
        "credits.set",
        "key.rotate",
        "key.revoke",
        "key.delete",
        "project.delete",
    ]


async def test_limits_and_credits_are_shown_as_they_were_set(tenancy: Tenancy) -> None:
    project = await tenancy.project("default")
    assert await tenancy.show_limits("default") == Limit(project.id, project.id)
    assert await tenancy.show_credits("default") is None
    await tenancy.set_limits("cli", "default", Rates(requests_per_minute=3))
    await tenancy.set_credits("cli", "default", 2_500_000)
    assert await tenancy.show_limits("default") == Limit(project.id, project.id, requests_per_minute=3)
    assert await tenancy.show_credits("default") == 2_500_000


async def test_what_cannot_be_done_is_said_in_the_cores_words(tenancy: Tenancy) -> None:
    issued = await tenancy.create_key("cli", "default", KeyDraft())
    await tenancy.create_project("cli", "second")
    with pytest.raises(Conflict):
        await tenancy.create_project("cli", "second")
    with pytest.raises(Conflict):
        await tenancy.add_key("cli", "second", issued.secret, KeyDraft())
    with pytest.raises(Conflict):
        await bootstrap(tenancy, Bootstrap((("second", issued.secret),)))
    with pytest.raises(Conflict):
        await tenancy.delete_organisation("cli", "default")
    with pytest.raises(NotFound):
        await tenancy.revoke_key("cli", "second", issued.key.id)
    with pytest.raises(NotFound):
        await tenancy.set_limits("cli", "second", Rates(tokens_per_day=1), issued.key.id)
    with pytest.raises(NotFound):
        await tenancy.list_keys("third")
    with pytest.raises(Invalid):
        await tenancy.set_limits("cli", "default", Rates(tokens_per_day=-1))
    for slug in ("", "-a", "A", "a/b", "a" * 64, "..", "a\n"):
        with pytest.raises(Invalid):
            await tenancy.create_project("cli", slug)


async def test_a_first_start_with_given_keys_shows_only_what_it_made_itself(database: Database) -> None:
    tenancy = Tenancy(database)
    made = await bootstrap(tenancy, Bootstrap.parse("default=sk-given-key-000001, shop=sk-given-key-000002"))
    assert made is not None
    assert made.key is None
    assert made.admin_token is not None
    assert [project.slug for project in await tenancy.list_projects("default")] == ["default", "shop"]
    assert await bootstrap(tenancy, Bootstrap.parse("default=sk-given-key-000001")) is None


@pytest.mark.parametrize("text", ["default", "=key", "default="])
def test_malformed_bootstrap_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="project=key"):
        Bootstrap.parse(text)
