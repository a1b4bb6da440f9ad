"""What a server knew when it was killed, it knows when it is started again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import httpx
import orjson
import pytest

from tests.journeys.dialects import DIALECTS, IPOP, LONG, MANIAC, Dialect, payloads
from tests.journeys.ledger import LedgerReader
from tests.live import LiveServer, running

MINE = "mine/model"
SLOW = "simulator/slow-200ms"
WHOLE = {"Idempotency-Key": "whole"}

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)


@dataclass
class Before:
    """What clients saw of the server before it was killed: ids of requests by API, and more."""

    server: LiveServer
    key: str = ""
    whole: dict[str, str] = field(default_factory=dict)
    read_to_the_end: dict[str, str] = field(default_factory=dict)
    broken_off: dict[str, str] = field(default_factory=dict)
    long: str = ""
    answer: bytes = b""

    @contextmanager
    def client(self, key: str | None = None) -> Iterator[httpx.Client]:
        headers = {"Authorization": f"Bearer {key or self.server.key}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=60) as client:
            yield client


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    with running(tmp_path_factory.mktemp("restart")) as server:
        seen = Before(server)
        seen.key = orjson.loads(server.cli("keys", "create", "--project", "other", "--json").stdout)["key"]
        with seen.client() as client, ExitStack() as stack:
            registered = client.post("/llama-stack/v1/models", json={"model_id": MINE, "provider_id": "simulator"})
            assert registered.status_code == 200
            seen.answer = client.post(MANIAC.url, json=MANIAC.chat(), headers=WHOLE).content
            for dialect in DIALECTS:
                answer_and_break_off(seen, dialect, client, stack)
            seen.long = read_for_a_while(server, client, stack)
            server.stop(signal.SIGKILL)
        server.start()
        yield seen


def answer_and_break_off(seen: Before, dialect: Dialect, client: httpx.Client, stack: ExitStack) -> None:
    whole = client.post(dialect.url, json=dialect.chat())
    seen.whole[dialect.api] = whole.headers["x-request-id"]
    slow = dialect.chat(SLOW, stream=True, messages=LONG)
    begun = client.stream("POST", dialect.url, json=slow, headers={"Idempotency-Key": f"slow {dialect.api}"})
    answer = stack.enter_context(begun)
    texts = stack.enter_context(closing(payloads(answer.iter_lines())))  # to let go of it is to hang up
    next(texts)
    seen.broken_off[dialect.api] = answer.headers["x-request-id"]
    with client.stream("POST", dialect.url, json=dialect.chat(stream=True)) as streamed:
        assert any(dialect.is_end(text) for text in payloads(streamed.iter_lines()))
        seen.read_to_the_end[dialect.api] = streamed.headers["x-request-id"]


def read_for_a_while(server: LiveServer, client: httpx.Client, stack: ExitStack) -> str:
    """Of a stream, until what was said is noted, as it is now and then."""
    body = IPOP.chat(SLOW, stream=True, messages=LONG)
    answer = stack.enter_context(client.stream("POST", IPOP.url, json=body))
    ledger, request_id = LedgerReader.of(server), str(answer.headers["x-request-id"])
    for _ in payloads(answer.iter_lines()):
        record = ledger.get("default", request_id)
        if record is not None and record.completion_tokens > 0:
            break
    return request_id


@each
def test_chats_that_were_read_to_their_end_are_complete(before: Before, dialect: Dialect) -> None:
    ledger = LedgerReader.of(before.server)
    for request_id in (before.whole[dialect.api], before.read_to_the_end[dialect.api]):
        record = ledger.get("default", request_id)
        assert record is not None
        assert (record.state, record.http_status) == ("completed", 200)


@each
def test_streams_that_broke_off_are_interrupted(before: Before, dialect: Dialect) -> None:
    record = LedgerReader.of(before.server).get("default", before.broken_off[dialect.api])
    assert record is not None
    assert (record.state, record.streamed, record.model) == ("interrupted", True, SLOW)


def test_stream_that_ran_for_a_while_is_billed_for_what_was_sent(before: Before) -> None:
    record = LedgerReader.of(before.server).get("default", before.long)
    assert record is not None
    assert (record.state, record.provider) == ("interrupted", "simulator")
    assert record.prompt_tokens > 0
    assert record.completion_tokens > 0


@each
def test_what_broke_off_can_be_asked_again_under_its_key(before: Before, dialect: Dialect) -> None:
    headers = {"Idempotency-Key": f"slow {dialect.api}"}
    with before.client() as client:
        again = client.stream("POST", dialect.url, json=dialect.chat(SLOW, stream=True, messages=LONG), headers=headers)
        with again as answer:
            assert answer.status_code == 200
            assert "idempotent-replayed" not in answer.headers


def test_answer_under_an_idempotency_key_is_replayed(before: Before) -> None:
    with before.client() as client:
        again = client.post(MANIAC.url, json=MANIAC.chat(), headers=WHOLE)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == before.answer


def test_registered_model_is_there(before: Before) -> None:
    with before.client() as client:
        assert client.get(f"/llama-stack/v1/models/{MINE}").json()["identifier"] == MINE
        for dialect in DIALECTS:
            assert client.post(dialect.url, json=dialect.chat(MINE)).status_code == 200


def test_keys_and_projects_are_there(before: Before) -> None:
    with before.client(before.key) as client:
        answer = client.post(IPOP.url, json=IPOP.chat())
        assert answer.status_code == 200
        assert client.get(f"/llama-stack/v1/models/{MINE}").json() is None
    assert LedgerReader.of(before.server).get("other", answer.headers["x-request-id"]) is not None
    with before.client("ck_never_was_a_key_of_this_server") as stranger:
        assert stranger.post(IPOP.url, json=IPOP.chat()).status_code == 401
