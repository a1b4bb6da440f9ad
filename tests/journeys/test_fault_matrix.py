"""Whatever a vendor does wrong: the error in each API's own words, the record, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import orjson
import pytest

from tests.contract.providers import wires
from tests.contract.providers.fake_vendor import Reply, sse_reply
from tests.journeys.dialects import DIALECTS, Dialect, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import IMPATIENT, LoopbackVendor, vendors
from tests.journeys.test_errors import check
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

EVENTS = wires.OPENAI["text"][1]
WHOLE = wires.OPENAI["text"][0]


@dataclass(frozen=True)
class Fault:
    """`status` and `code` are what the client and the record are told when nothing was sent yet. `late` is a stream
    that has begun when it happens."""

    name: str
    reply: Reply
    streamed: Reply
    status: int
    code: str
    late: bool = False


def refusal(status: int, **headers: str) -> Reply:
    return Reply([wires.openai_error("what the vendor says")], status=status, headers=headers)


def same(name: str, reply: Reply, status: int, code: str) -> Fault:
    return Fault(name, reply, reply, status, code)


FAULTS = [
    same("400", refusal(400), 400, "some_code"),
    same("401", refusal(401), 502, "upstream_failed"),
    same("404", refusal(404), 404, "model_not_found"),
    same("429", refusal(429, **{"retry-after": "7"}), 429, "rate_limit_exceeded"),
    same("500", refusal(500), 503, "upstream_unavailable"),
    same("silence", Reply(before="stall"), 503, "upstream_timeout"),
    Fault(
        "stall",
        Reply([WHOLE[:40]], after="stall"),
        sse_reply(EVENTS[:3], after="stall"),
        503,
        "upstream_timeout",
        late=True,
    ),
    Fault(
        "cut",
        Reply([WHOLE[:40]], after="cut"),
        sse_reply(EVENTS[:3], after="cut"),
        503,
        "upstream_unavailable",
        late=True,
    ),
    Fault("not JSON", Reply([b"{'choices':"]), sse_reply([b"data: {'choices':\n\n"]), 502, "upstream_failed"),
    Fault(
        "not JSON later",
        Reply([WHOLE[:40]]),
        sse_reply([*EVENTS[:3], b"data: {'choices':\n\n"]),
        502,
        "upstream_failed",
        late=True,
    ),
    same("empty", Reply([]), 502, "upstream_failed"),
    Fault("ended before it began", Reply([], after="cut"), sse_reply([]), 503, "upstream_unavailable"),
]

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
every_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)


@pytest.fixture(scope="module")
def vendor() -> Iterator[LoopbackVendor]:
    with vendors() as served:
        yield served["openai"]


@pytest.fixture(scope="module")
def server(vendor: LoopbackVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """When all is done: no error in its log, where tasks that nobody awaited show, and no connection that is in use."""
    settings = {"OPENAI_API_KEY": vendor.key, "OPENAI_BASE_URL": vendor.fake.url + "/v1", **IMPATIENT}
    with running(tmp_path_factory.mktemp("faults"), **settings) as live:
        yield live
        assert '"level":"error"' not in live.log_text()
        assert eventually(lambda: vendor.fake.connections, lambda open_ones: open_ones <= 1) <= 1


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
        yield client


@each
@every_fault
def test_a_whole_answer(
    client: httpx.Client, server: LiveServer, vendor: LoopbackVendor, fault: Fault, dialect: Dialect
) -> None:
    vendor.answers(fault.reply)
    answer = client.post(dialect.url, json=dialect.chat(vendor.model))
    check(dialect, answer, fault.status)
    assert answer.headers.get("retry-after") == ("7" if fault.status == 429 else None)
    check_record(server, answer, fault)
    check_connection(vendor, fault.reply)


@each
@every_fault
def test_a_stream(
    client: httpx.Client, server: LiveServer, vendor: LoopbackVendor, fault: Fault, dialect: Dialect
) -> None:
    vendor.answers(fault.streamed)
    answer = client.post(dialect.url, json=dialect.chat(vendor.model, stream=True))
    if not fault.late:
        check(dialect, answer, fault.status)
        assert answer.headers.get("retry-after") == ("7" if fault.status == 429 else None)
    else:
        assert answer.status_code == 200
        *begun, last = payloads(answer.iter_lines())
        assert begun
        assert not any(dialect.is_end(text) for text in [*begun, last])
        assert "openai" in last or "provider" in last
        assert isinstance(orjson.loads(last), dict)
    check_record(server, answer, fault)
    check_connection(vendor, fault.streamed)


def check_record(server: LiveServer, answer: httpx.Response, fault: Fault) -> None:
    """A vendor that was asked is named; what it said before its fault is billed, and nothing where it said nothing."""
    record = LedgerReader.of(server).settled("default", answer.headers["x-request-id"])
    assert (record.state, record.error_code) == ("failed", fault.code)
    assert (record.provider, record.upstream_model) == ("openai", "gpt-5.5")
    begun = record.streamed and fault.late
    assert record.http_status == fault.status
    assert (record.cost_micros > 0) is begun
    assert (record.prompt_tokens > 0) is begun


def check_connection(vendor: LoopbackVendor, reply: Reply) -> None:
    """A vendor that hangs is hung up on."""
    if "stall" in (reply.before, reply.after):
        eventually(vendor.fake.gone.is_set)
