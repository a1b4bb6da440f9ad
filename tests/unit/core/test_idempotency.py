from __future__ import annotations

import asyncio

import pytest

from handlers.core.errors import Conflict, Invalid
from handlers.core.idempotency import Claimed, Idempotency, Replay
from storage.database import Database
from storage.presence import LEASE_SECONDS, Presence
from tests.unit.core.conftest import Clock

ANSWER = Replay(201, {"content-type": "application/json"}, b'{"id":"file_1"}')


@pytest.fixture
async def presence(database: Database, clock: Clock) -> Presence:
    made = Presence(database, clock)
    await made.beat()
    return made


@pytest.fixture
def idempotency(database: Database, presence: Presence, clock: Clock) -> Idempotency:
    return Idempotency(database, presence.process_id, max_body_bytes=100, clock=clock)


async def claimed(idempotency: Idempotency, key: str = "k", project_id: str = "p") -> Claimed:
    claim = await idempotency.claim(project_id, key, "files_create", "f1")
    assert isinstance(claim, Claimed)
    return claim


async def test_a_repeated_request_gets_the_first_answer(idempotency: Idempotency) -> None:
    await idempotency.complete(await claimed(idempotency), ANSWER)
    assert await idempotency.claim("p", "k", "files_create", "f1") == ANSWER


async def test_one_of_many_at_once_gets_the_claim(idempotency: Idempotency) -> None:
    tries = [idempotency.claim("p", "k", "files_create", "f1") for _ in range(10)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results].count(Claimed) == 1
    refused = [result for result in results if isinstance(result, Conflict)]
    assert [error.code for error in refused] == ["idempotency_in_progress"] * 9


async def test_a_key_stands_for_one_request(idempotency: Idempotency) -> None:
    await idempotency.complete(await claimed(idempotency), ANSWER)
    for operation_id, fingerprint in (("files_create", "f2"), ("batches_create", "f1")):
        with pytest.raises(Invalid) as refused:
            await idempotency.claim("p", "k", operation_id, fingerprint)
        assert refused.value.code == "idempotency_key_reused"
    await claimed(idempotency, project_id="another")


async def test_a_released_key_is_free(idempotency: Idempotency) -> None:
    claim = await claimed(idempotency)
    await idempotency.release(claim)
    await idempotency.complete(await claimed(idempotency), ANSWER)
    await idempotency.release(claim)  # too late: the key is another attempt's
    assert await idempotency.claim("p", "k", "files_create", "f1") == ANSWER


async def test_an_answer_is_kept_for_a_day(idempotency: Idempotency, clock: Clock) -> None:
    await idempotency.complete(await claimed(idempotency), ANSWER)
    clock.now += 86_399
    assert await idempotency.claim("p", "k", "files_create", "f1") == ANSWER
    clock.now += 1
    await claimed(idempotency)


async def test_a_claim_ends_with_its_process(
    database: Database, presence: Presence, idempotency: Idempotency, clock: Clock
) -> None:
    first = await claimed(idempotency)
    other = Idempotency(database, "proc_other", clock=clock)
    clock.now += LEASE_SECONDS / 2
    await presence.beat()
    clock.now += LEASE_SECONDS / 2
    with pytest.raises(Conflict):
        await other.claim("p", "k", "files_create", "f1")
    clock.now += LEASE_SECONDS
    second = await claimed(other)
    await idempotency.complete(first, Replay(200, {}, b"of a process that was thought dead"))
    await other.complete(second, ANSWER)
    assert await other.claim("p", "k", "files_create", "f1") == ANSWER


async def test_an_answer_too_large_to_keep_is_neither_repeated_nor_created_twice(idempotency: Idempotency) -> None:
    await idempotency.complete(await claimed(idempotency), Replay(200, {}, b"x" * 101))
    with pytest.raises(Conflict) as refused:
        await idempotency.claim("p", "k", "files_create", "f1")
    assert refused.value.code == "idempotency_answer_not_kept"


async def test_a_key_has_a_length(idempotency: Idempotency) -> None:
    for key in ("", "k" * 256):
        with pytest.raises(Invalid):
            await idempotency.claim("p", key, "files_create", "f1")
    await claimed(idempotency, key="k" * 255)
