"""What cannot be recorded is not acknowledged: 503, or an error for the last event. What was acknowledged is there."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import orjson
import pytest

from tests.journeys.dialects import DIALECTS, payloads
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
    (tmp_path / "server.log").symlink_to("/dev/null")  # which may be written to, whatever its size
    with running(tmp_path, **settings) as live:
        yield live


@contextmanager
def locked(server: LiveServer) -> Iterator[None]:
    """Nobody else can write to the database meanwhile."""
    with closing(sqlite3.connect(server.data_dir / "concordat.db", isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def full(server: LiveServer) -> Iterator[None]:
    """The server can write to no file meanwhile, its ledger's journal among them."""
    assert server.process
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, limits[1]))
    yield
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)


@dataclass
class Talk:
    """Streams whose vendor has begun to speak, and what came of asking for whole answers while it went on."""

    opened: list[httpx.Response]
    streams: list[list[str]]
    wholes: list[httpx.Response]


def talk(client: httpx.Client, vendor: LoopbackVendor, meanwhile: AbstractContextManager[None]) -> Talk:
    vendor.says_slowly()
    with ExitStack() as stack:
        asked = [(one.url, one.chat(vendor.model, stream=True)) for one in DIALECTS]
        opened = [stack.enter_context(client.stream("POST", url, json=body)) for url, body in asked]
        streams = [payloads(answer.iter_lines()) for answer in opened]
        begun = [next(stream) for stream in streams]
        pool = stack.enter_context(ThreadPoolExecutor(2 * len(DIALECTS)))
        with meanwhile:
            vendor.fake.released.set()
            wholes = [pool.submit(client.post, one.url, json=one.chat()) for one in DIALECTS]
            rests = [pool.submit(list, stream) for stream in streams]
            answers, told = [one.result() for one in wholes], [one.result() for one in rests]
    return Talk(opened, [[first, *rest] for first, rest in zip(begun, told, strict=True)], answers)


def test_no_answer_is_acknowledged_that_cannot_be_recorded(
    server: LiveServer, client: httpx.Client, vendor: LoopbackVendor
) -> None:
    done = talk(client, vendor, full(server))
    for dialect, texts in zip(DIALECTS, done.streams, strict=True):
        assert not any(dialect.is_end(text) for text in texts)
        assert "recorded" in texts[-1]
        assert isinstance(orjson.loads(texts[-1]), dict)
    for dialect, answer in zip(DIALECTS, done.wholes, strict=True):
        check(dialect, answer, 503)
    # it goes on as soon as there is room, and what was really done is billed, though nobody got it
    for dialect in DIALECTS:
        assert client.post(dialect.url, json=dialect.chat()).status_code == 200
    ledger = LedgerReader.of(server)
    for answer in [*done.opened, *done.wholes]:
        assert ledger.settled("default", answer.headers["x-request-id"]).completion_tokens > 0


def test_what_is_acknowledged_while_the_database_is_locked_is_there_afterwards(
    server: LiveServer, client: httpx.Client, vendor: LoopbackVendor
) -> None:
    done = talk(client, vendor, locked(server))
    for dialect, texts in zip(DIALECTS, done.streams, strict=True):
        assert dialect.is_end(texts[-1])
    assert [answer.status_code for answer in done.wholes] == [200] * len(DIALECTS)
    ledger = LedgerReader.of(server)
    for answer in [*done.opened, *done.wholes]:
        record = ledger.get("default", answer.headers["x-request-id"])
        assert record is not None
        assert (record.state, record.completion_tokens > 0) == ("completed", True)


def test_while_the_database_is_locked_nobody_reads_a_history_that_lacks_something(
    server: LiveServer, client: httpx.Client
) -> None:
    chat = DIALECTS[1]
    with locked(server):
        assert client.post(chat.url, json=chat.chat()).status_code == 200
        refused = client.get("/ipop/v1/request-history")
        check(chat, refused, 503)
    assert len(client.get("/ipop/v1/request-history").json()) == 1
