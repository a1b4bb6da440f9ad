"""The way of a request among the deployments of its model, as its client sees it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from storage.ledger_record import Record
from tests.contract.providers import wires
from tests.contract.providers.fake_vendor import Reply, sse_reply
from tests.journeys.dialects import DIALECTS, IPOP, MANIAC, Dialect, events, payloads
from tests.journeys.hanging_up import asking
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import LoopbackVendor, settings_for, vendors
from tests.journeys.test_errors import check
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

SAID = "Hello wörld!"
EVENTS = wires.OPENAI["text"][1]
ALONE = ("retry", "retry-streamed", "breaker", "full", "outlive", "outlive-streamed", "cache")
WITH_SPARE = ("fallback", "fallback-streamed", "late", "hedge", "hedge-streamed", "no-spare")
MODEL = """
  - id: house/{name}
    capabilities: [chat, streaming]
    context_tokens: 100000
    max_output_tokens: 1000
    prices: [{{input_usd: 5, output_usd: 30, cached_input_usd: 0.5}}]
    deployments: [{{vendor: openai, model: {name}}}{spare}]
"""
SPARE = ", {vendor: anthropic, model: spare, weight: 0}"
COST = 16 * 5 + 2 + 7 * 30
"""In micro-dollars, of what both vendors say."""
SETTINGS = {
    "CONCORDAT_RETRIES": "2",
    "CONCORDAT_BREAKER_FAILURES": "3",
    "CONCORDAT_BREAKER_REST_SECONDS": "3",
    "CONCORDAT_MAX_CONCURRENT": "1",
    "CONCORDAT_MAX_QUEUED": "0",
}

streamed_or_not = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, LoopbackVendor]]:
    with vendors() as both:
        yield both


@pytest.fixture
def openai(served: dict[str, LoopbackVendor]) -> LoopbackVendor:
    return served["openai"].ready()


@pytest.fixture
def anthropic(served: dict[str, LoopbackVendor]) -> LoopbackVendor:
    return served["anthropic"].ready()


@pytest.fixture(scope="module")
def server(served: dict[str, LoopbackVendor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Each test has a model, and so deployments, of its own."""
    folder = tmp_path_factory.mktemp("routing")
    models = [MODEL.format(name=name, spare="") for name in ALONE]
    models += [MODEL.format(name=name, spare=SPARE) for name in WITH_SPARE]
    (folder / "catalog.yaml").write_text("models:" + "".join(models))
    with running(folder, **settings_for(served), **SETTINGS) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


def name(base: str, stream: bool) -> str:
    return f"house/{base}-streamed" if stream else f"house/{base}"


def account(answer: httpx.Response) -> dict[str, Any]:
    """What IPOP tells of the way of a request, whole or streamed."""
    if answer.headers["content-type"] == "application/json":
        found: dict[str, Any] = answer.json()["ipop"]
        return found
    return next(e["ipop"] for e in events(list(payloads(answer.iter_lines()))) if "ipop" in e)


def ask(client: httpx.Client, model: str, stream: bool = False, **metadata: Any) -> httpx.Response:
    wishes = {"include_route_metadata": True, **metadata}
    return client.post(IPOP.url, json=IPOP.chat(model, stream=stream, metadata=wishes))


@streamed_or_not
def test_a_failure_that_passes_is_not_the_clients(client: httpx.Client, openai: LoopbackVendor, stream: bool) -> None:
    slow = Reply([wires.openai_error("slow down")], status=429, headers={"retry-after": "1"})
    openai.fake.first += [slow, Reply([wires.openai_error("oops")], status=500)]
    answer = ask(client, name("retry", stream), stream)
    assert answer.status_code == 200
    assert len(openai.fake.seen) == 3
    assert account(answer)["fallback_used"] is False


@streamed_or_not
def test_another_deployment_answers_where_the_first_cannot(
    client: httpx.Client, server: LiveServer, openai: LoopbackVendor, anthropic: LoopbackVendor, stream: bool
) -> None:
    openai.refuses(500, "oops")
    answer = ask(client, name("fallback", stream), stream)
    told = account(answer)
    assert (told["fallback_used"], told["fallback_count"], told["route_class"]) == (True, 1, "ipop_network")
    record = LedgerReader.of(server).get("default", answer.headers["x-request-id"])
    assert record is not None
    assert (record.state, record.provider, record.upstream_model) == ("completed", "anthropic", "spare")
    assert told["cost_usd"] == record.cost_micros / 1_000_000


def test_what_has_begun_is_not_begun_elsewhere(
    client: httpx.Client, openai: LoopbackVendor, anthropic: LoopbackVendor
) -> None:
    openai.answers(sse_reply(EVENTS[:3], after="cut"))
    answer = ask(client, "house/late", stream=True)
    assert "error_type" in list(payloads(answer.iter_lines()))[-1]
    assert anthropic.fake.seen == []


def test_a_request_may_forbid_that_another_deployment_answers(
    client: httpx.Client, openai: LoopbackVendor, anthropic: LoopbackVendor
) -> None:
    openai.answers(Reply([b"<html>"]))
    check(IPOP, ask(client, "house/no-spare", disable_external_fallback=True), 502)
    assert anthropic.fake.seen == []


def test_a_deployment_that_keeps_failing_is_left_alone_until_it_is_well(
    client: httpx.Client, openai: LoopbackVendor
) -> None:
    openai.refuses(500, "oops")
    check(IPOP, ask(client, "house/breaker"), 503)
    asked = len(openai.fake.seen)
    answer = ask(client, "house/breaker")
    check(IPOP, answer, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert len(openai.fake.seen) == asked == 3
    assert state(client, "house/breaker") == "degraded"
    openai.says()
    eventually(lambda: ask(client, "house/breaker").status_code, lambda status: status == 200)
    assert state(client, "house/breaker") == "available"


def state(client: httpx.Client, model: str) -> str:
    models = client.get("/ipop/v1/status").json()["models"]
    return next(each["status"] for each in models if each["id"] == model)  # type: ignore[no-any-return]


@streamed_or_not
def test_a_second_deployment_is_asked_when_the_first_takes_long(
    client: httpx.Client, server: LiveServer, openai: LoopbackVendor, anthropic: LoopbackVendor, stream: bool
) -> None:
    openai.answers(Reply(before="stall"))
    answer = ask(client, name("hedge", stream), stream, hedge_after_ms=30)
    told = account(answer)
    eventually(openai.fake.gone.is_set)
    assert (len(openai.fake.seen), len(anthropic.fake.seen)) == (1, 1)
    assert told["fallback_used"] is True
    record = LedgerReader.of(server).get("default", answer.headers["x-request-id"])
    assert record is not None
    assert (record.provider, record.completion_tokens) == ("anthropic", 7)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
def test_who_comes_when_the_queue_is_full_is_told_to_come_back(
    client: httpx.Client, openai: LoopbackVendor, dialect: Dialect
) -> None:
    openai.answers(sse_reply(EVENTS[:3], after="stall"))
    with client.stream("POST", MANIAC.url, json=MANIAC.chat("house/full", stream=True)) as running_one:
        lines = payloads(running_one.iter_lines())  # to let go of it is to hang up
        next(lines)
        for stream in (False, True):
            answer = client.post(dialect.url, json=dialect.chat("house/full", stream=stream))
            check(dialect, answer, 503)
            assert answer.headers["retry-after"] == "1"
    eventually(openai.fake.gone.is_set)
    assert len(openai.fake.seen) == 1


@streamed_or_not
def test_a_request_goes_on_without_its_client_when_it_says_so(
    server: LiveServer, openai: LoopbackVendor, stream: bool
) -> None:
    openai.fake.released.clear()
    if not stream:
        whole = wires.OPENAI["text"][0]
        openai.answers(Reply([whole[:40], whole[40:]]))
    body = IPOP.chat(name("outlive", stream), stream=stream, metadata={"client_disconnect_cancel": False})
    with asking(server, IPOP.url, body) as connection:
        eventually(lambda: openai.fake.busy)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # until the server has noticed that nobody listens any more
            pass
    openai.fake.released.set()
    found = eventually(
        lambda: [record for record in LedgerReader.of(server).all("default") if is_whole(record, stream)]
    )
    assert [(record.http_status, record.cost_micros) for record in found] == [(200, COST)]
    assert not openai.fake.gone.is_set()


def is_whole(record: Record, stream: bool) -> bool:
    return record.model == name("outlive", stream) and record.state == "completed"


def test_a_kept_answer_is_streamed_as_it_was(client: httpx.Client, server: LiveServer, openai: LoopbackVendor) -> None:
    answers = [ask(client, "house/cache", stream=True, cache_mode="aggressive") for _ in range(2)]
    first, second = (events(list(payloads(answer.iter_lines()))) for answer in answers)
    assert IPOP.deltas(second) == IPOP.deltas(first)
    assert "".join(IPOP.deltas(second)) == SAID
    assert len(openai.fake.seen) == 1
    told = [account(answer) for answer in answers]
    assert [(one["cache_hit"], one["cost_usd"]) for one in told] == [(False, COST / 1_000_000), (True, 0)]
    record = LedgerReader.of(server).get("default", answers[1].headers["x-request-id"])
    assert record is not None
    assert (record.state, record.cost_micros, record.completion_tokens) == ("completed", 0, 7)
