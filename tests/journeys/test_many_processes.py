"""Two server processes on one port: what one of them did the other knows, whichever a request meets."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import httpx
import orjson
import pytest

from handlers.core.keys import KeyDraft, Rates, Tenancy
from storage.database import Database
from tests.journeys.crews import STREAMS, one_client_each, samples, serving
from tests.journeys.dialects import IPOP, MANIAC, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

RESPONSES = "/ipop/v1/responses"
LONG = "word " * 100
PRICED = "claude-sonnet-4.6"
Answer = TypeVar("Answer")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("crew"), "--workers", "2") as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture
def two(server: LiveServer) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    with one_client_each(server, 2) as (one, other):
        yield one, other


def administer(server: LiveServer, act: Callable[[Tenancy], Awaitable[Answer]]) -> Answer:
    """Acts on the database from yet another process, as the commands do."""

    async def administer() -> Answer:
        database = Database.open(LedgerReader.of(server).url)
        try:
            return await act(Tenancy(database))
        finally:
            await database.close()

    return asyncio.run(administer())


def new_project(server: LiveServer, rates: Rates | None = None) -> tuple[str, str]:
    """Its slug and a key."""
    slug = f"p-{uuid.uuid4().hex[:8]}"

    async def create(tenancy: Tenancy) -> str:
        await tenancy.create_project("test", slug)
        if rates is not None:
            await tenancy.set_limits("test", slug, rates)
        return (await tenancy.create_key("test", slug, KeyDraft())).secret

    return slug, administer(server, create)


def chat(client: httpx.Client, key: str, model: str = "simulator/chat") -> httpx.Response:
    return client.post(MANIAC.url, json=MANIAC.chat(model), headers={"Authorization": f"Bearer {key}"})


def status_of_chat(client: httpx.Client, key: str, model: str = "simulator/chat") -> int:
    return chat(client, key, model).status_code


def test_each_answers_and_either_shows_the_metrics_of_both(server: LiveServer, two: tuple[httpx.Client, ...]) -> None:
    assert len(serving(server)) == 2
    for client in two:
        assert client.post(IPOP.url, json=IPOP.chat()).status_code == 200
    for client in two:
        page = client.get("/-/metrics", headers={"X-Admin-Token": server.admin_token}).text
        assert "concordat_workers 2.0" in page
        assert samples(page, "concordat_requests_total").keys() == {"1", "2"}
        assert all(found > 0 for found in samples(page, "concordat_requests_total").values())
        assert samples(page, "process_resident_memory_bytes").keys() == {"1", "2"}
        assert page.count("# TYPE concordat_requests_total counter") == 1
        assert "concordat_oldest_queued_job_seconds 0.0" in page


def test_a_key_works_at_once_and_stops_within_seconds(server: LiveServer, two: tuple[httpx.Client, ...]) -> None:
    slug, secret = new_project(server)
    assert [chat(client, secret).status_code for client in two] == [200, 200]
    issued = administer(server, lambda tenancy: tenancy.list_keys(slug))
    administer(server, lambda tenancy: tenancy.revoke_key("test", slug, issued[0].id))
    for client in two:
        eventually(partial(status_of_chat, client, secret), lambda status: status == 401)


def test_a_limit_holds_over_both(server: LiveServer, two: tuple[httpx.Client, ...]) -> None:
    _, secret = new_project(server, Rates(requests_per_day=10))
    answers = [chat(two[turn % 2], secret) for turn in range(30)]
    assert Counter(answer.status_code for answer in answers) == {200: 10, 429: 20}
    assert "retry-after" in answers[-1].headers


def test_a_budget_and_credits_that_are_used_up_are_so_for_both(
    server: LiveServer, two: tuple[httpx.Client, ...]
) -> None:
    _, secret = new_project(server, Rates(micro_usd_per_day=1))
    assert chat(two[0], secret, PRICED).status_code == 200
    eventually(partial(status_of_chat, two[1], secret, PRICED), lambda status: status == 402)
    slug, secret = new_project(server)
    administer(server, lambda tenancy: tenancy.set_credits("test", slug, 1))
    assert chat(two[1], secret, PRICED).status_code == 200
    eventually(partial(status_of_chat, two[0], secret, PRICED), lambda status: status == 402)


def test_a_model_registered_with_one_works_with_the_other_at_once(two: tuple[httpx.Client, ...]) -> None:
    one, other = two
    name = f"mine/{uuid.uuid4().hex[:8]}"
    assert other.post(IPOP.url, json=IPOP.chat(name)).status_code == 404
    wish = {"model_id": name, "provider_id": "simulator", "provider_model_id": "chat"}
    made = one.post("/llama-stack/v1/models", json=wish)
    assert made.status_code == 200, made.text
    answer = other.post(IPOP.url, json=IPOP.chat(name))
    assert answer.status_code == 200, answer.text
    eventually(lambda: other.get("/ipop/v1/models").text, lambda listed: name in listed)


def test_one_idempotency_key_is_one_request(two: tuple[httpx.Client, ...]) -> None:
    one, other = two
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    first = one.post(IPOP.url, json=IPOP.chat(), headers=headers)
    again = other.post(IPOP.url, json=IPOP.chat(), headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(c.post, IPOP.url, json=IPOP.chat("simulator/slow-50ms"), headers=headers) for c in two]
    answers = [one.result() for one in asked]
    made = [answer for answer in answers if answer.status_code == 200 and "idempotent-replayed" not in answer.headers]
    assert len(made) == 1
    assert {answer.status_code for answer in answers} <= {200, 409}


def test_both_sign_for_their_region_with_one_key(two: tuple[httpx.Client, ...]) -> None:
    """It is made on first need, and sealed under a secret that is made then, too."""
    with ThreadPoolExecutor(2) as pool:
        listed = [asked.result().json() for asked in [pool.submit(c.get, "/ipop/v1/regions/keys") for c in two]]
    assert listed[0] == listed[1]
    for asked, attesting in (two, two[::-1]):
        answer = asked.post(IPOP.url, json=IPOP.chat(metadata={"require_region": "local"}))
        assert answer.status_code == 200, answer.text
        attested = attesting.get(f"/ipop/v1/inference/{answer.headers['x-request-id']}/attestation")
        assert attested.status_code == 200, attested.text


def test_a_stream_in_the_background_is_resumed_elsewhere(two: tuple[httpx.Client, ...]) -> None:
    one, other = two
    asked = {"model": "simulator/slow-50ms", "input": LONG, "background": True, "stream": True}
    with one.stream("POST", RESPONSES, json=asked) as answer:
        reading = payloads(answer.iter_lines())
        seen = [orjson.loads(next(reading)) for _ in range(8)]
        place, after = f"{RESPONSES}/{seen[0]['response']['id']}", seen[-1]["sequence_number"]
        assert other.get(place).json()["status"] == "in_progress"
        rest = resume(other, place, after)
    assert rest[0]["sequence_number"] == after + 1
    assert rest[-1]["type"] == "response.completed"
    deltas = [event["delta"] for event in [*seen, *rest] if event["type"] == "response.output_text.delta"]
    assert rest[-1]["response"]["output_text"] == "".join(deltas)
    assert resume(one, place, after) == rest


def resume(client: httpx.Client, place: str, after: int) -> list[Any]:
    with client.stream("GET", place, params={"stream": "true", "starting_after": after}) as answer:
        assert answer.status_code == 200, answer.read()
        return [orjson.loads(text) for text in payloads(answer.iter_lines())]


def test_work_in_the_background_is_cancelled_from_either(server: LiveServer, two: tuple[httpx.Client, ...]) -> None:
    """More than one of each, so that jobs run in both."""
    asked = {"model": "simulator/hang", "input": "hi", "background": True}
    for asker, canceller in (two, two[::-1]):
        answers = [asker.post(RESPONSES, json=asked) for _ in range(3)]
        for answer in answers:
            place = f"{RESPONSES}/{answer.json()['id']}"
            eventually(partial(status_of, asker, place), lambda status: status == "in_progress")
            assert canceller.post(f"{place}/cancel").json()["status"] == "cancelled"
            assert status_of(asker, place) == "cancelled"
            record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
            assert (record.state, record.error_code) == ("interrupted", "cancelled")


def status_of(client: httpx.Client, place: str) -> str:
    return str(client.get(place).json()["status"])


def test_either_shows_the_streams_that_both_have_open(server: LiveServer, two: tuple[httpx.Client, ...]) -> None:
    def shown(client: httpx.Client) -> Any:
        return client.get(STREAMS, headers={"X-Admin-Token": server.admin_token}).json()

    with ExitStack() as stack:
        slow = IPOP.chat("simulator/slow-500ms", stream=True, messages=[{"role": "user", "content": LONG}])
        streams = [stack.enter_context(client.stream("POST", IPOP.url, json=slow)) for client in two]
        open_ids = {answer.headers["x-request-id"] for answer in streams}
        with one_client_each(server, 2) as viewers:
            for viewer in viewers:
                seen = eventually(partial(shown, viewer), lambda found: found["stream_active"] == 2)
                assert {stream["request_id"] for stream in seen["streams"]} == open_ids
                assert len({stream["instance_id"] for stream in seen["streams"]}) == 2
                assert (seen["replica_count"], seen["stream_limit"]) == (2, 20_000)
            for answer in streams:
                answer.close()
            for viewer in viewers:
                eventually(partial(shown, viewer), lambda found: not found["streams"])
