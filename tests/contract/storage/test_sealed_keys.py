"""Vendors' keys of projects, and the keys of regions."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage.database import Database
from storage.repositories.provider_credentials import ProviderCredential, ProviderCredentials
from storage.repositories.region_keys import RegionKey, RegionKeys
from tests.contract.storage.conftest import Two

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def credential_of(project_id: str, number: int = 1) -> ProviderCredential:
    return ProviderCredential(
        id=f"pcred-{project_id}-{number}",
        project_id=project_id,
        provider="openai",
        label="ours",
        sealed_key=b"\x00\xffsealed",
        last4="wxyz",
        base_url=None,
        enabled=True,
        created_at=NOW + timedelta(seconds=number),
    )


async def test_a_credential_is_its_own_projects_alone(database: Database, projects: Two) -> None:
    credentials, mine = ProviderCredentials(database), credential_of(projects.mine.id)
    await credentials.insert(mine)
    assert await credentials.get(projects.mine.id, mine.id) == mine
    assert await credentials.get(projects.other.id, mine.id) is None
    assert await credentials.list(projects.other.id) == []
    assert not await credentials.change(replace(mine, project_id=projects.other.id, label="stolen"))
    await credentials.touch(projects.other.id, mine.id, NOW)
    assert not await credentials.delete(projects.other.id, mine.id)
    assert await credentials.list(projects.mine.id) == [mine]
    assert await credentials.delete(projects.mine.id, mine.id)
    assert await credentials.get(projects.mine.id, mine.id) is None


async def test_a_change_leaves_when_it_was_used_and_lists_begin_with_the_newest(
    database: Database, projects: Two
) -> None:
    credentials = ProviderCredentials(database)
    older, newer = credential_of(projects.mine.id, 1), credential_of(projects.mine.id, 2)
    await credentials.insert(older)
    await credentials.insert(newer)
    await credentials.touch(projects.mine.id, older.id, NOW)
    changed = replace(older, enabled=False, base_url="https://x.example", last_error="no", last_tested_at=NOW)
    assert await credentials.change(changed)
    assert await credentials.list(projects.mine.id) == [newer, replace(changed, last_used_at=NOW)]


def region_key(region: str, kid: str, minutes: int = 0) -> RegionKey:
    return RegionKey(f"{region}-{kid}", region, "node", b"p" * 32, b"sealed", NOW + timedelta(minutes=minutes))


async def test_a_regions_key_gives_way_to_the_next_and_stays(database: Database) -> None:
    keys, region = RegionKeys(database), f"r-{uuid.uuid4().hex[:8]}"
    first, second = region_key(region, "1"), region_key(region, "2", 1)
    assert await keys.current(region) is None
    assert await keys.replace(None, first) == first
    assert await keys.replace(first.kid, second) == second
    assert await keys.current(region) == second
    ours = [key for key in await keys.list() if key.region == region]
    assert ours == [second, replace(first, rotated_at=second.created_at)]


async def test_two_that_make_a_regions_first_key_at_once_agree_on_one(database: Database) -> None:
    keys, region = RegionKeys(database), f"r-{uuid.uuid4().hex[:8]}"
    made = await asyncio.gather(*(keys.replace(None, region_key(region, str(number))) for number in range(4)))
    assert len({key.kid for key in made}) == 1
    assert await keys.replace("gone", region_key(region, "late")) == made[0]
    assert [key for key in await keys.list() if key.region == region] == [made[0]]
