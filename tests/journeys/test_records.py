"""Every answered chat is in the ledger, once, under its project and key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from storage.ledger_record import Record
from tests.journeys.dialects import DIALECTS, IPOP, LONG, MANIAC, Dialect, payloads
from tests.journeys.hanging_up import asking, in_progress
from tests.journeys.ledger import LedgerReader
from tests.journeys.waiting import eventually
from tests.live import LiveServer

MODEL = "claude-sonnet-4.6"
"""Simulated, and priced at 3 and 15 micro-dollars a token."""

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)


@pytest.fixture(scope="module")
def ledger(server: LiveServer) -> LedgerReader:
    return LedgerReader.of(server)


@contextmanager
def recorded(ledger: LedgerReader) -> Iterator[list[Record]]:
    """Filled with the one record of the project `default` that the block leaves behind, once it is final."""
    before = {record.request_id for record in ledger.all("default")}
    found: list[Record] = []
    yield found
    found += eventually(
        lambda: [record for record in ledger.all("default") if record.request_id not in before],
        lambda new: new and all(record.state != "started" for record in new),
    )
    assert len(found) == 1


def tokens_of_a_chat(client: httpx.Client, **more: Any) -> tuple[int, int]:
    """Of `dialect.chat(MODEL, **more)`, which means the same on every API."""
    usage = client.post(MANIAC.url, json=MANIAC.chat(MODEL, **more)).json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


@each
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_answered_chat_is_recorded_with_who_asked_what_answered_and_what_it_cost(
    client: httpx.Client, ledger: LedgerReader, dialect: Dialect, stream: bool
) -> None:
    prompt_tokens, completion_tokens = tokens_of_a_chat(client)
    with recorded(ledger) as records:
        answer = client.post(dialect.url, json=dialect.chat(MODEL, stream=stream))
    (record,) = records
    assert record.request_id == answer.headers["x-request-id"]
    assert [record.key_id] == [key.id for key in ledger.keys("default")]
    assert (record.api, record.operation_id) == (dialect.api, "chat_completions_create")
    assert (record.state, record.http_status, record.streamed) == ("completed", 200, stream)
    assert (record.model, record.provider, record.upstream_model) == (MODEL, "simulator", MODEL)
    assert (record.prompt_tokens, record.completion_tokens) == (prompt_tokens, completion_tokens)
    assert record.cost_micros == 3 * prompt_tokens + 15 * completion_tokens
    assert record.finish_reason == "stop"
    assert record.error_code is None


@each
def test_what_was_read_to_its_end_is_already_recorded(
    client: httpx.Client, ledger: LedgerReader, dialect: Dialect
) -> None:
    """The last event comes after the commit: no waiting is needed."""
    with client.stream("POST", dialect.url, json=dialect.chat(stream=True)) as answer:
        texts = []
        for text in payloads(answer.iter_lines()):
            texts.append(text)
            if dialect.is_end(text):
                break
        record = ledger.get("default", answer.headers["x-request-id"])
    assert len(texts) > 3
    assert record is not None
    assert record.state == "completed"


@each
def test_another_project_does_not_see_the_record(client: httpx.Client, ledger: LedgerReader, dialect: Dialect) -> None:
    request_id = client.post(dialect.url, json=dialect.chat()).headers["x-request-id"]
    assert ledger.get("default", request_id) is not None
    assert ledger.get("other", request_id) is None


@each
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_chat_that_its_vendor_fails_is_recorded_as_failed(
    client: httpx.Client, ledger: LedgerReader, dialect: Dialect, stream: bool
) -> None:
    with recorded(ledger) as records:
        client.post(dialect.url, json=dialect.chat("simulator/error-429", stream=stream))
    (record,) = records
    assert (record.state, record.http_status, record.error_code) == ("failed", 429, "rate_limit_exceeded")
    assert (record.model, record.provider) == ("simulator/error-429", "simulator")
    assert (record.completion_tokens, record.cost_micros) == (0, 0)


@each
def test_chat_that_validation_refuses_is_recorded_as_failed(
    client: httpx.Client, ledger: LedgerReader, dialect: Dialect
) -> None:
    with recorded(ledger) as records:
        client.post(dialect.url, json=dialect.chat(messages="hello"))
    (record,) = records
    assert (record.state, record.http_status, record.model) == ("failed", 400, None)


@each
def test_stream_that_its_vendor_cuts_is_recorded_as_failed_with_what_was_sent(
    client: httpx.Client, ledger: LedgerReader, dialect: Dialect
) -> None:
    with recorded(ledger) as records:
        dialect.stream(client, **{dialect.model_field: "simulator/cut-stream"})
    (record,) = records
    assert (record.state, record.http_status, record.streamed) == ("failed", 503, True)
    assert record.error_code == "upstream_unavailable"
    assert record.completion_tokens > 0


@each
def test_stream_that_its_client_leaves_is_recorded_as_interrupted_with_what_was_sent(
    client: httpx.Client, ledger: LedgerReader, dialect: Dialect
) -> None:
    with recorded(ledger) as records:
        body = dialect.chat("simulator/slow-40ms", stream=True, messages=LONG)
        with client.stream("POST", dialect.url, json=body) as answer:
            lines = payloads(answer.iter_lines())
            for _ in range(5):
                next(lines)
    (record,) = records
    assert (record.state, record.http_status, record.streamed) == ("interrupted", 200, True)
    assert record.error_code == "hung_up"
    assert 0 < record.completion_tokens < tokens_of_a_chat(client, messages=LONG)[1]


def test_whole_chat_that_its_client_leaves_is_recorded_as_interrupted(server: LiveServer, ledger: LedgerReader) -> None:
    before = in_progress(server)
    with recorded(ledger) as records, asking(server, IPOP.url, IPOP.chat("simulator/hang")):
        eventually(lambda: in_progress(server), lambda count: count > before)
    (record,) = records
    assert (record.state, record.http_status, record.streamed) == ("interrupted", 499, False)


def test_what_a_stranger_asks_is_nobodys_record(stranger: httpx.Client, ledger: LedgerReader) -> None:
    refused = stranger.post(MANIAC.url, json=MANIAC.chat()).headers["x-request-id"]
    assert ledger.get("default", refused) is None
    assert ledger.get("other", refused) is None
