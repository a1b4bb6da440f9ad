"""Clients and vendors that are silent, slow or many: the server answers everybody else, and does not grow."""

from __future__ import annotations

import resource
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.rig.family import resident_megabytes
from tests.heavy.siege import Siege, draw_up_accounts, give_credits
from tests.journeys.dialects import DIALECTS, IPOP
from tests.journeys.ledger import LedgerReader
from tests.journeys.loopback_vendors import KEYS
from tests.live import LiveServer, running

pytestmark = pytest.mark.heavy

IDLE = 10_000
IDLE_MEGABYTES = 200.0
SLOW_READERS = 100
FILE_MEGABYTES = 32
SLOW_MEGABYTES = 150.0
BLACK_HOLED = 40
ASKED = 50


def chat_seconds(server: LiveServer, count: int = ASKED) -> list[float]:
    """How long each of so many chats took, one after the other."""
    found = []
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        for _ in range(count):
            began = time.monotonic()
            assert client.post(IPOP.url, json=IPOP.chat()).status_code == 200
            found.append(time.monotonic() - began)
    return found


def told(name: str, seconds: list[float]) -> str:
    return f"{name}: median {statistics.median(seconds) * 1000:.1f} ms, worst {max(seconds) * 1000:.1f} ms"


def memory_of(server: LiveServer) -> float:
    assert server.process is not None
    return resident_megabytes(server.process.pid)


@contextmanager
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 2_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"no more than {hard} files may be open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_idle_connections_hold_nobody_up(tmp_path: Path) -> None:
    with many_files(), running(tmp_path, CONCORDAT_VALIDATE_RESPONSES="false") as server, ExitStack() as stack:
        alone, before = chat_seconds(server), memory_of(server)
        for _ in range(IDLE):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), timeout=60)))
        among, after = chat_seconds(server), memory_of(server)
        with httpx.Client(base_url=server.url) as client:
            assert client.get("/-/healthz").status_code == 200
        print(
            f"\n{told('alone', alone)}; {told(f'beside {IDLE} idle connections', among)}; {after - before:.0f} MB more"
        )
        assert after - before <= IDLE_MEGABYTES


def test_slow_readers_hold_no_memory(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_VALIDATE_RESPONSES="false") as server, ExitStack() as stack:
        headers = {"Authorization": f"Bearer {server.key}"}
        content = bytes(FILE_MEGABYTES * 2**20)
        with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
            upload = {"file": ("large", content), "purpose": (None, "user_data")}
            file_id = client.post("/ipop/v1/files", files=upload).raise_for_status().json()["id"]
        alone, before = chat_seconds(server), memory_of(server)
        request = (
            f"GET /ipop/v1/files/{file_id}/content HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n\r\n"
        )
        readers = [stack.enter_context(closing(slow_reader(server, request))) for _ in range(SLOW_READERS)]
        assert {reader.recv(12) for reader in readers} == {b"HTTP/1.1 200"}
        among, after = chat_seconds(server), memory_of(server)
        beside = told(f"beside {SLOW_READERS} slow readers", among)
        print(f"\n{told('alone', alone)}; {beside}; {after - before:.0f} MB more")
        assert after - before <= SLOW_MEGABYTES < SLOW_READERS * FILE_MEGABYTES
        rest = readers[0]
        rest.settimeout(60)
        received = 0
        while received < len(content):
            received += len(rest.recv(2**20))


def slow_reader(server: LiveServer, request: str) -> socket.socket:
    """One that asks, and takes no more than a few kilobytes."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.settimeout(60)
    reader.connect(("127.0.0.1", server.port))
    reader.sendall(request.encode())
    return reader


@contextmanager
def black_hole() -> Iterator[str]:
    """The address of a vendor that takes every connection, and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def test_a_black_holed_vendor_harms_only_its_own_models(tmp_path: Path) -> None:
    with black_hole() as url, ExitStack() as stack:
        settings = {
            "OPENAI_API_KEY": KEYS["openai"],
            "OPENAI_BASE_URL": url,
            "CONCORDAT_FIRST_BYTE_TIMEOUT_SECONDS": "3",
            "CONCORDAT_RETRIES": "0",
            "CONCORDAT_VALIDATE_RESPONSES": "false",
        }
        server = stack.enter_context(running(tmp_path, **settings))
        give_credits(server)
        siege, lost = Siege([server]), Lost(server)
        with siege.running():
            siege.wait_for_answers(ASKED)
            before = len(siege.ended)
            lost.ask()
            meanwhile = len(siege.ended) - before
            siege.wait_for_answers(ASKED)
        print(f"\n{draw_up_accounts(server, siege)}; {meanwhile} answers meanwhile")
        assert meanwhile > BLACK_HOLED
        assert siege.refused == 0
        assert set(lost.statuses) <= {502, 503, 504}
        records = [r for r in LedgerReader.of(server).all("default") if r.requested_model == Lost.MODEL]
        assert {(record.state, record.cost_micros) for record in records} == {("failed", 0)}
        print(f"black-holed: {sorted(set(lost.statuses))}, after {min(lost.seconds):.1f} to {max(lost.seconds):.1f} s")


class Lost:
    """Requests to the vendor that never answers, each in a thread."""

    MODEL = "openai/gpt-5.5"

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self.statuses: list[int] = []
        self.seconds: list[float] = []

    def ask(self) -> None:
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(BLACK_HOLED)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, number: int) -> None:
        dialect, began = DIALECTS[number % len(DIALECTS)], time.monotonic()
        body = dialect.chat(self.MODEL, stream=number % 2 == 0)
        headers = {"Authorization": f"Bearer {self._server.key}"}
        answer = httpx.post(self._server.url + dialect.url, json=body, headers=headers, timeout=60)
        self.statuses.append(answer.status_code)
        self.seconds.append(time.monotonic() - began)
