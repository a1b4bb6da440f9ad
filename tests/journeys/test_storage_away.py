"""With the database away at the end of an answer nothing is acknowledged: 503, or an error for the last event."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from tests.journeys.dialects import DIALECTS, Dialect, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import LoopbackVendor, vendors
from tests.journeys.test_errors import check
from tests.live import LiveServer, running


@pytest.fixture
def vendor() -> Iterator[LoopbackVendor]:
    with vendors() as both:
        yield both["openai"]
        both["openai"].fake.released.set()


@pytest.fixture
def server(vendor: LoopbackVendor, tmp_path: Path) -> Iterator[LiveServer]:
    settings = {"OPENAI_API_KEY": vendor.key, "OPENAI_BASE_URL": vendor.fake.url + "/v1"}
    with running(tmp_path, **settings) as live:
        yield live


@contextmanager
def locked(server: LiveServer) -> Iterator[None]:
    """Nobody else can write meanwhile."""
    with closing(sqlite3.connect(server.data_dir / "concordat.db", isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_no_answer_is_acknowledged_that_is_not_recorded(
    server: LiveServer, client: httpx.Client, vendor: LoopbackVendor
) -> None:
    vendor.says_slowly()
    with ExitStack() as stack:
        asked = [(one.url, one.chat(vendor.model, stream=True)) for one in DIALECTS]
        opened = [stack.enter_context(client.stream("POST", url, json=body)) for url, body in asked]
        streams = [payloads(answer.iter_lines()) for answer in opened]
        begun = [next(stream) for stream in streams]
        pool = stack.enter_context(ThreadPoolExecutor(2 * len(DIALECTS)))
        with locked(server):
            vendor.fake.released.set()
            wholes = [pool.submit(client.post, one.url, json=one.chat()) for one in DIALECTS]
            rests = [pool.submit(list, stream) for stream in streams]
            answers, told = [one.result() for one in wholes], [one.result() for one in rests]
    for dialect, first, rest in zip(DIALECTS, begun, told, strict=True):
        check_stream(dialect, [first, *rest])
    for dialect, answer in zip(DIALECTS, answers, strict=True):
        check(dialect, answer, 503)
    check_that_they_are_known(server, [*opened, *answers])


def check_stream(dialect: Dialect, texts: list[str]) -> None:
    assert not any(dialect.is_end(text) for text in texts)
    assert "recorded" in texts[-1]
    assert isinstance(orjson.loads(texts[-1]), dict)


def check_that_they_are_known(server: LiveServer, answers: list[httpx.Response]) -> None:
    """What was really done is billed once the database is back, though nobody got it."""
    ledger = LedgerReader.of(server)
    for answer in answers:
        record = ledger.settled("default", answer.headers["x-request-id"])
        assert record.completion_tokens > 0
