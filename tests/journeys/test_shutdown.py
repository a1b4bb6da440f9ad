"""A server that is asked to stop lets answers finish, tells those it cannot wait for, and ends in good order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.journeys.dialects import DIALECTS, MANIAC, Dialect, events, payloads
from tests.journeys.hanging_up import in_progress
from tests.journeys.ledger import LedgerReader
from tests.journeys.speaking import speaking
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

SLOW = "simulator/slow-30ms"
"""A chat of about a second."""
SLOWER = "simulator/slow-500ms"
"""One that outlasts half a second by far."""


@contextmanager
def streaming(client: httpx.Client, dialect: Dialect, model: str) -> Iterator[tuple[str, Iterator[str]]]:
    """The id of a request whose first event was read, and the events that follow."""
    with client.stream("POST", dialect.url, json=dialect.chat(model, stream=True)) as answer:
        texts = payloads(answer.iter_lines())
        next(texts)
        yield answer.headers["x-request-id"], texts


def ask_to_stop(server: LiveServer, how: signal.Signals) -> None:
    assert server.process is not None
    server.process.send_signal(how)


def exit_status(server: LiveServer) -> int:
    assert server.process is not None
    return server.process.wait(timeout=60)


def test_streams_that_finish_within_the_grace_period_are_whole(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_SHUTDOWN_GRACE_SECONDS="30") as server, speaking(server) as client:
        with ExitStack() as stack:
            streams = [stack.enter_context(streaming(client, dialect, SLOW)) for dialect in DIALECTS]
            ask_to_stop(server, signal.SIGINT)
            for dialect, (request_id, texts) in zip(DIALECTS, streams, strict=True):
                *_, last = texts
                assert dialect.is_end(last)
                record = LedgerReader.of(server).get("default", request_id)
                assert record is not None
                assert record.state == "completed"
        assert exit_status(server) == 0


def test_answers_that_outlast_the_grace_period_are_told_and_recorded(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_SHUTDOWN_GRACE_SECONDS="0.5") as server, speaking(server) as client:
        ledger, before = LedgerReader.of(server), in_progress(server)
        with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
            silent = pool.submit(client.post, MANIAC.url, json=MANIAC.chat("simulator/hang"))
            eventually(lambda: in_progress(server), lambda count: count > before)
            streams = [stack.enter_context(streaming(client, dialect, SLOWER)) for dialect in DIALECTS]
            ask_to_stop(server, signal.SIGTERM)
            for dialect, (request_id, texts) in zip(DIALECTS, streams, strict=True):
                *_, last = texts
                assert "shutting down" in told(dialect, last)
                record = ledger.settled("default", request_id)
                assert (record.state, record.error_code) == ("interrupted", "shutdown")
            refused = silent.result(timeout=60)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert int(refused.headers["retry-after"]) >= 1
        assert exit_status(server) == 0
    assert '"level":"error"' not in server.log_text()


def told(dialect: Dialect, last: str) -> str:
    """The message of an API's own error event."""
    (event,) = events([last])
    if dialect.api == "ipop":
        assert (event["code"], event["retryable"]) == ("service_unavailable", True)
        return str(event["message"])
    if dialect.api == "maniac":
        assert event["error"]["code"] == "SERVICE_UNAVAILABLE"
    return str(event["error"]["message"])


def test_what_is_written_behind_survives_a_stop(tmp_path: Path) -> None:
    """The records of refused requests, and when a key was last used."""
    with running(tmp_path) as server, speaking(server) as client:
        refused = [client.post(MANIAC.url, json={}).headers["x-request-id"] for _ in range(20)]
        assert server.stop(signal.SIGTERM) == 0
        ledger = LedgerReader.of(server)
        assert {record.request_id for record in ledger.all("default")} == set(refused)
        (key,) = ledger.keys("default")
        assert key.last_used_at is not None
