"""Rows of object storage, on both databases: sums, limits and blobs are never off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from handlers.core.errors import Conflict, PaymentRequired
from handlers.core.keys import Tenancy
from handlers.core.meters import MeterBook
from handlers.core.s3 import (
    AccessKeys,
    Allowance,
    Completion,
    Described,
    Listing,
    NewObject,
    ObjectStore,
    PartClaim,
    S3Fault,
    StorageTariff,
    Uploads,
    Wanted,
)
from handlers.core.sealing import Seal
from storage.blobs.local import LocalBlobs
from storage.database import Database
from storage.repositories.blobs import BLOBS
from storage.repositories.s3_account import S3Accounts
from storage.repositories.s3_keys import S3Keys
from tests.contract.storage.conftest import Two

KEYS = ["B", "a", "a/1", "a/2/x", "a/2/y", "a0", "b/", "z", "é", "\U0001f600", "￿"]


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


class Ids:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self, noun: str) -> str:
        self.count += 1
        return f"{noun}-{self.count}-{id(self):x}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database: Database, tmp_path: Path, clock: Clock) -> ObjectStore:
    tariff = StorageTariff(free_bytes=1000)
    allowance, ids = Allowance(database, tariff, clock, Ids()), Ids()
    return ObjectStore(database, LocalBlobs(tmp_path), allowance, MeterBook(database, clock), clock, ids)


async def sent(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def put(store: ObjectStore, project: str, key: str, content: bytes = b"x", **changes: Any) -> Any:
    return await store.put(project, NewObject("bucket", key, Described(), **changes), sent(content))


async def read(store: ObjectStore, project: str, key: str) -> bytes:
    content = await store.open(await store.get(project, "bucket", key))
    return b"".join([piece async for piece in content])


async def stored(store: ObjectStore, project: str) -> tuple[int, int, int]:
    """Bytes of the account, and objects and bytes of the bucket."""
    bucket = await store.bucket(project, "bucket")
    return await S3Accounts(store.database).stored_bytes(project), bucket.object_count, bucket.size_bytes


async def holders(store: ObjectStore, project: str) -> list[int]:
    async with store.database.reading() as connection:
        return sorted(await connection.scalars(select(BLOBS.c.holders).where(BLOBS.c.project_id == project)))


async def test_sums_follow_what_is_written_and_deleted(store: ObjectStore, projects: Two) -> None:
    mine = projects.mine.id
    await store.create_bucket(mine, "bucket")
    await put(store, mine, "a", b"12345")
    await put(store, mine, "b", b"123")
    assert await stored(store, mine) == (8, 2, 8)
    await put(store, mine, "a", b"1")
    assert await stored(store, mine) == (4, 2, 4)
    source = await store.get(mine, "bucket", "b")
    await store.copy(source, mine, NewObject("bucket", "c", Described()))
    assert (await stored(store, mine), await holders(store, mine)) == ((7, 3, 7), [0, 1, 2])
    await store.delete(mine, "bucket", ["a", "b", "none"])
    assert (await stored(store, mine), await read(store, mine, "c")) == ((3, 1, 3), b"123")
    await store.delete(mine, "bucket", ["c"])
    assert (await stored(store, mine), await holders(store, mine)) == ((0, 0, 0), [0, 0, 0])
    await store.delete_bucket(mine, "bucket")


async def test_copies_that_share_a_blob_are_deleted_together(store: ObjectStore, projects: Two) -> None:
    mine = projects.mine.id
    await store.create_bucket(mine, "bucket")
    made = await put(store, mine, "a", b"12345")
    await store.copy(made, mine, NewObject("bucket", "b", Described()))
    await store.copy(made, mine, NewObject("bucket", "a", Described({"expires": "0"})))
    assert (await holders(store, mine), await read(store, mine, "a")) == ([2], b"12345")
    await store.delete(mine, "bucket", ["a", "b"])
    assert await holders(store, mine) == [0]


async def test_what_does_not_fit_changes_nothing(store: ObjectStore, projects: Two) -> None:
    mine = projects.mine.id
    await store.create_bucket(mine, "bucket")
    await put(store, mine, "a", b"x" * 600)
    with pytest.raises(S3Fault) as refused:
        await put(store, mine, "b", b"x" * 401)
    assert refused.value.code == "QuotaExceeded"
    assert await stored(store, mine) == (600, 1, 600)
    await put(store, mine, "a", b"y" * 1000)
    assert await stored(store, mine) == (1000, 1, 1000)


async def test_of_two_writers_only_as_much_gets_in_as_there_is_room(store: ObjectStore, projects: Two) -> None:
    mine = projects.mine.id
    await store.create_bucket(mine, "bucket")
    writes = [put(store, mine, f"k{n}", b"x" * 400) for n in range(5)]
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert sum(isinstance(answer, S3Fault) for answer in done) == 3
    assert await stored(store, mine) == (800, 2, 800)


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
async def test_lists_go_by_code_points_and_take_together(store: ObjectStore, projects: Two, limit: int) -> None:
    mine = projects.mine.id
    await store.create_bucket(mine, "bucket")
    for key in KEYS:
        await put(store, mine, key)

    async def names(**wanted: Any) -> list[str]:
        found: list[str] = []
        after = ""
        while True:
            page = await Listing(store).page(mine, "bucket", Wanted(after=after, limit=limit, **wanted))
            assert len(page.entries) <= limit
            found += [entry if isinstance(entry, str) else entry.key for entry in page.entries]
            if page.last is None:
                return found
            after = page.last

    assert await names() == sorted(KEYS)
    assert await names(prefix="a/") == ["a/1", "a/2/x", "a/2/y"]
    assert await names(delimiter="/") == ["B", "a", "a/", "a0", "b/", "z", "é", "￿", "\U0001f600"]
    assert await names(delimiter="/", prefix="a/") == ["a/1", "a/2/"]
    assert await names(delimiter="2/", prefix="a") == ["a", "a/1", "a/2/", "a0"]


async def test_an_upload_counts_from_its_first_part(store: ObjectStore, projects: Two) -> None:
    mine, uploads = projects.mine.id, Uploads(store, least_part_bytes=3)
    await store.create_bucket(mine, "bucket")
    await put(store, mine, "k", b"old")
    new = NewObject("bucket", "k", Described())
    upload = await uploads.create(mine, new, "crc32", "FULL_OBJECT")
    parts = [await uploads.put_part(upload, n, new, sent(b"part%d" % n)) for n in (1, 2, 5)]
    again = await uploads.put_part(upload, 2, new, sent(b"new2"))
    assert await stored(store, mine) == (17, 1, 3)
    claims = [PartClaim(1, parts[0].etag), PartClaim(2, again.etag)]
    made = await uploads.complete(upload, Completion(claims))
    assert (await read(store, mine, "k"), made.size_bytes, made.part_count) == (b"part1new2", 9, 2)
    assert await stored(store, mine) == (9, 1, 9)
    whole = await put(store, mine, "w", b"part1new2", algorithms=["crc32"])
    assert made.checksums == whole.checksums
    with pytest.raises(S3Fault):
        await uploads.complete(upload, Completion(claims))


async def test_an_upload_that_is_aborted_leaves_nothing(store: ObjectStore, projects: Two) -> None:
    mine, uploads = projects.mine.id, Uploads(store)
    await store.create_bucket(mine, "bucket")
    new = NewObject("bucket", "k", Described())
    first = await uploads.create(mine, new, None, None)
    second = await uploads.create(mine, new, None, None)
    for upload in (first, second):
        await uploads.put_part(upload, 1, new, sent(b"12345"))
    listed = await uploads.rows.list(mine, "bucket", "", ("k", min(first.id, second.id)), 10)
    assert [one.id for one in listed] == [max(first.id, second.id)]
    await uploads.abort(first)
    assert await stored(store, mine) == (5, 0, 0)
    await store.delete_bucket(mine, "bucket")
    assert (await S3Accounts(store.database).stored_bytes(mine), await holders(store, mine)) == (0, [0, 0])


async def test_storage_is_metered_to_the_second_and_by_day(store: ObjectStore, projects: Two, clock: Clock) -> None:
    mine = projects.mine.id
    await store.create_bucket(mine, "bucket")
    await put(store, mine, "a", b"x" * 10)
    clock.now += 90
    await store.delete(mine, "bucket", ["a"])
    clock.now += 500
    usage = await store.usage(mine)
    assert (usage.storage_byte_seconds, usage.ingress_bytes) == (900, 10)
    assert (await store.usage(projects.other.id)).storage_byte_seconds == 0


async def test_projects_do_not_see_each_other(store: ObjectStore, projects: Two) -> None:
    mine, other = projects.mine.id, projects.other.id
    await store.create_bucket(mine, "bucket")
    await put(store, mine, "a", b"mine")
    await store.create_bucket(other, "bucket")
    with pytest.raises(S3Fault):
        await store.get(other, "bucket", "a")
    await store.delete(other, "bucket", ["a"])
    assert await read(store, mine, "a") == b"mine"


async def test_a_purchase_is_paid_once_and_exactly(store: ObjectStore, projects: Two) -> None:
    tenancy, mine = Tenancy(store.database), projects.mine.id
    allowance = Allowance(store.database, StorageTariff(Decimal("0.3333335"), 0), store.clock, Ids())
    await tenancy.set_credits("test", projects.mine.slug, 1_000_000)
    bought = await asyncio.gather(*[allowance.buy(mine, 2, None, "key") for _ in range(3)])
    assert {one.blocks for one in bought} == {2}
    assert await tenancy.show_credits(projects.mine.slug) == 1_000_000 - 2 * 333_334
    with pytest.raises(PaymentRequired):
        await allowance.buy(mine, 2, None, "other")
    with pytest.raises(Conflict):
        await allowance.buy(mine, 1, None, "key")
    assert await tenancy.show_credits(projects.mine.slug) == 1_000_000 - 2 * 333_334
    assert (await allowance.buy(projects.other.id, 5, "2999-01", "key")).blocks == 5
    assert await allowance.limit_bytes(projects.other.id) == 0


async def test_an_access_key_speaks_for_its_project_until_it_is_revoked(
    database: Database, projects: Two, clock: Clock
) -> None:
    keys = AccessKeys(S3Keys(database), Seal(lambda: "s" * 32), clock)
    issued = await keys.create(projects.mine.id, "laptop")
    found = await keys.find(issued.key.id)
    assert found is not None
    assert (found[0].project_id, found[0].project, found[1]) == (projects.mine.id, projects.mine.slug, issued.secret)
    assert issued.secret.encode() not in issued.key.sealed_secret
    assert await keys.list(projects.other.id) == []
    await keys.revoke(projects.mine.id, issued.key.id)
    assert await keys.find(issued.key.id) is None
