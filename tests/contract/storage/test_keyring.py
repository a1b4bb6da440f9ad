"""Keys that one process changes and another checks."""

from __future__ import annotations

import asyncio
import uuid

from handlers.core.keys import Bootstrap, KeyDraft, KeyRing, Tenancy, bootstrap
from storage.database import Database
from storage.repositories.projects import Projects
from tests.contract.storage.conftest import Two


async def test_a_key_made_elsewhere_works_at_once_and_one_revoked_elsewhere_stops_at_the_next_look(
    database: Database, database_url: str, projects: Two
) -> None:
    elsewhere = Database.open(database_url)
    tenancy, ring, slug = Tenancy(elsewhere), KeyRing(database), projects.mine.slug
    assert await ring.find("ck_unknown") is None
    issued = await tenancy.create_key("cli", slug, KeyDraft(apis=frozenset({"ipop"})))
    caller = await ring.find(issued.secret)
    assert caller is not None
    assert (caller.project_id, caller.project, caller.key_id) == (projects.mine.id, slug, issued.key.id)
    assert (caller.apis, caller.models, caller.admin) == (frozenset({"ipop"}), None, False)
    await tenancy.revoke_key("cli", slug, issued.key.id)
    await ring.refresh()
    assert await ring.find(issued.secret) is None
    await elsewhere.close()


async def test_the_keys_of_a_deleted_project_stop(database: Database, projects: Two) -> None:
    tenancy, ring = Tenancy(database), KeyRing(database)
    issued = await tenancy.create_key("cli", projects.mine.slug, KeyDraft())
    other = await tenancy.create_key("cli", projects.other.slug, KeyDraft())
    assert await ring.find(issued.secret)
    assert await ring.member(projects.mine.slug)
    await tenancy.delete_project("cli", projects.mine.slug)
    await ring.refresh()
    assert await ring.find(issued.secret) is None
    assert await ring.member(projects.mine.slug) is None
    assert await ring.find(other.secret)


async def test_last_use_is_written_down_in_one_go(database: Database, projects: Two) -> None:
    tenancy, ring = Tenancy(database), KeyRing(database, clock=lambda: 1_790_000_000.0)
    issued = await tenancy.create_key("cli", projects.mine.slug, KeyDraft())
    await ring.find(issued.secret)
    await ring.flush()
    (key,) = await tenancy.list_keys(projects.mine.slug)
    assert key.last_used_at is not None
    assert key.last_used_at.timestamp() == 1_790_000_000.0


async def test_processes_that_start_together_make_one_first_project(database: Database) -> None:
    made = await asyncio.gather(*(bootstrap(Tenancy(database), Bootstrap()) for _ in range(4)))
    (first,) = [secrets for secrets in made if secrets is not None]
    ring = KeyRing(database)
    assert first.key is not None
    assert first.admin_token is not None
    caller = await ring.find(first.key)
    assert caller is not None
    assert caller.project == "default"
    assert await ring.admin(first.admin_token)
    assert await bootstrap(Tenancy(database), Bootstrap()) is None


async def test_processes_that_start_together_with_given_keys_all_start(database: Database) -> None:
    slug, secret = f"given-{uuid.uuid4().hex[:6]}", f"sk-{uuid.uuid4().hex}"
    tenancy, given = Tenancy(database), Bootstrap.parse(f"{slug}={secret}", admin_token=f"adm-{secret}")
    assert await asyncio.gather(*(bootstrap(tenancy, given) for _ in range(6))) == [None] * 6
    assert [key.name for key in await tenancy.list_keys(slug)] == ["bootstrap"]


async def test_given_keys_are_made_sure_of_at_each_start(database: Database) -> None:
    slug, secret = f"given-{uuid.uuid4().hex[:6]}", f"sk-{uuid.uuid4().hex}"
    tenancy, given = Tenancy(database), Bootstrap.parse(f"{slug}={secret}", admin_token=f"adm-{secret}")
    for _ in range(2):
        assert await bootstrap(tenancy, given) is None
    ring = KeyRing(database)
    caller = await ring.find(secret)
    assert caller is not None
    assert caller.project == slug
    assert await ring.admin(f"adm-{secret}")
    (key,) = await tenancy.list_keys(slug)
    await tenancy.revoke_key("cli", slug, key.id)
    await bootstrap(tenancy, given)
    await ring.refresh()
    assert await ring.find(secret) is None
    assert await Projects(database).find(slug)
