"""`Idempotency-Key`: a repeated POST gets the first one's answer, and nothing is done twice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.contract.providers.fake_vendor import sse_reply
from tests.journeys.dialects import DIALECTS, MANIAC, Dialect, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import LoopbackVendor, vendors
from tests.journeys.test_errors import check
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
REPLAYED = "idempotent-replayed"


@pytest.fixture(scope="module")
def served() -> Iterator[LoopbackVendor]:
    with vendors() as both:
        yield both["openai"]


@pytest.fixture
def vendor(served: LoopbackVendor) -> Iterator[LoopbackVendor]:
    yield served.ready()
    served.fake.released.set()


@pytest.fixture(scope="module")
def asked(served: LoopbackVendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a vendor whose answers take as long as a test wants."""
    settings = {"OPENAI_API_KEY": served.key, "OPENAI_BASE_URL": served.fake.url + "/v1"}
    with running(tmp_path_factory.mktemp("idempotency"), **settings) as live:
        yield live


@pytest.fixture
def asker(asked: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=asked.url, headers={"Authorization": f"Bearer {asked.key}"}, timeout=60) as asker:
        yield asker


def once() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


@each
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_repetition_gets_the_same_answer_byte_for_byte(
    client: httpx.Client, server: LiveServer, dialect: Dialect, stream: bool
) -> None:
    headers, body = once(), dialect.chat(stream=stream)
    first = client.post(dialect.url, json=body, headers=headers)
    chats = len(LedgerReader.of(server).all("default"))
    again = client.post(dialect.url, json=body, headers=headers)
    assert first.status_code == again.status_code == 200
    assert again.content == first.content
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    for name in ("content-type", "x-concordat-provider"):
        assert again.headers[name] == first.headers[name]
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(LedgerReader.of(server).all("default")) == chats


@each
def test_key_with_another_body_is_refused(client: httpx.Client, dialect: Dialect) -> None:
    headers = once()
    assert client.post(dialect.url, json=dialect.chat(), headers=headers).status_code == 200
    check(dialect, client.post(dialect.url, json=dialect.chat(temperature=0.5), headers=headers), 400)


@each
def test_repetition_while_the_first_is_answered_is_a_conflict_and_later_a_replay(
    asker: httpx.Client, vendor: LoopbackVendor, dialect: Dialect
) -> None:
    headers, body = once(), dialect.chat(vendor.model, stream=True)
    vendor.says_slowly()
    with asker.stream("POST", dialect.url, json=body, headers=headers) as first:
        texts = payloads(first.iter_lines())
        next(texts)
        check(dialect, asker.post(dialect.url, json=body, headers=headers), 409)
        vendor.fake.released.set()
        assert [text for text in texts if dialect.is_end(text)]
    assert asker.post(dialect.url, json=body, headers=headers).headers[REPLAYED] == "true"


@each
def test_answer_whose_last_event_was_read_is_kept(client: httpx.Client, dialect: Dialect) -> None:
    """Many readers stop there, and hang up."""
    for _ in range(10):
        headers, body = once(), dialect.chat(stream=True)
        with client.stream("POST", dialect.url, json=body, headers=headers) as first:
            assert any(dialect.is_end(text) for text in payloads(first.iter_lines()))
            again = client.post(dialect.url, json=body, headers=headers)
        assert (again.status_code, again.headers.get(REPLAYED)) == (200, "true")


def test_the_same_key_of_another_project_is_another_key(client: httpx.Client, other: httpx.Client) -> None:
    headers = once()
    assert client.post(MANIAC.url, json=MANIAC.chat(), headers=headers).status_code == 200
    theirs = other.post(MANIAC.url, json=MANIAC.chat(temperature=0.5), headers=headers)
    assert theirs.status_code == 200
    assert REPLAYED not in theirs.headers


@each
@pytest.mark.parametrize("model", ["simulator/error-429", "simulator/error-500", "simulator/cut-stream"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_failed_is_done_again(
    client: httpx.Client, server: LiveServer, dialect: Dialect, model: str, stream: bool
) -> None:
    headers, body = once(), dialect.chat(model, stream=stream)
    answers = [client.post(dialect.url, json=body, headers=headers) for _ in range(2)]
    assert answers[0].status_code == answers[1].status_code
    assert [REPLAYED in answer.headers for answer in answers] == [False, False]
    records = [LedgerReader.of(server).settled("default", answer.headers["x-request-id"]) for answer in answers]
    assert [record.state for record in records] == ["failed", "failed"]


@each
def test_stream_that_its_client_left_is_done_again(
    asker: httpx.Client, vendor: LoopbackVendor, dialect: Dialect
) -> None:
    headers, body = once(), dialect.chat(vendor.model, stream=True)
    vendor.fake.first = [sse_reply(vendor.wire["text"][1][:4], "stall")]
    with asker.stream("POST", dialect.url, json=body, headers=headers) as first:
        next(payloads(first.iter_lines()))
    again = eventually(  # the server has yet to notice
        lambda: asker.post(dialect.url, json=body, headers=headers), lambda answer: answer.status_code != 409
    )
    assert again.status_code == 200
    assert REPLAYED not in again.headers


def test_key_that_is_no_key_is_refused(client: httpx.Client) -> None:
    check(MANIAC, client.post(MANIAC.url, json=MANIAC.chat(), headers={"Idempotency-Key": "x" * 256}), 400)
    check(MANIAC, client.post(MANIAC.url, json=MANIAC.chat(), headers={"Idempotency-Key": ""}), 400)
