"""The parent of several server processes: it replaces, reloads and stops them, and outlives none."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.journeys.crews import client_of, one_client_each, serving, told
from tests.journeys.dialects import IPOP, payloads
from tests.journeys.ledger import LedgerReader
from tests.journeys.waiting import START_SECONDS, eventually
from tests.live import LiveServer, free_port, running

PAUSE_SECONDS = 0.02
TWO = ("--workers", "2")


@dataclass
class Visitors:
    """Ask again and again, each time over a new connection. `answered` are ids of requests that were read to their
    end, `faults` what else was answered, `broken` how often a connection was."""

    server: LiveServer
    answered: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    broken: int = 0
    _leaving: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def visiting(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._visit) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._leaving.set()
            for thread in threads:
                thread.join()

    def wait_for_more(self, count: int) -> None:
        before = len(self.answered)
        eventually(lambda: len(self.answered), lambda found: found >= before + count)

    def _visit(self) -> None:
        while not self._leaving.wait(PAUSE_SECONDS):
            try:
                with client_of(self.server) as client:
                    answer = client.post(IPOP.url, json=IPOP.chat())
            except httpx.TransportError:
                self.broken += 1
                continue
            if answer.status_code == 200:
                self.answered.append(answer.headers["x-request-id"])
            else:
                self.faults.append(answer.text)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_open(server: LiveServer) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with running(tmp_path / "data", *TWO) as live:
        eventually(lambda: serving(live), lambda found: len(found) == 2, START_SECONDS)
        yield live


def test_one_that_is_killed_is_replaced_and_nothing_is_lost(server: LiveServer) -> None:
    before, visitors = serving(server), Visitors(server)
    with visitors.visiting():
        visitors.wait_for_more(20)
        os.kill(before[2], signal.SIGKILL)
        after = eventually(lambda: serving(server), lambda found: found[2] != before[2], START_SECONDS)
        visitors.wait_for_more(20)
    assert after[1] == before[1]
    assert visitors.faults == []
    (died,) = told(server, "worker_died")
    assert (died["worker"], died["pid"], died["status"]) == (2, before[2], -signal.SIGKILL)
    ledger = LedgerReader.of(server)
    states = eventually(
        lambda: {record.request_id: record.state for record in ledger.all("default")},
        lambda found: found.keys() >= set(visitors.answered) and "started" not in found.values(),
    )
    assert {states[request_id] for request_id in visitors.answered} == {"completed"}
    with one_client_each(server, 2) as clients:
        assert [client.get("/-/readyz").status_code for client in clients] == [200, 200]


def unless_given_up(server: LiveServer) -> set[int]:
    """Who serves in the places."""
    assert told(server, "reload_given_up") == [], server.log_text()
    return set(serving(server).values())


def test_a_reload_replaces_all_and_refuses_nobody_and_a_stop_lets_streams_finish(server: LiveServer) -> None:
    before, visitors = serving(server), Visitors(server)
    assert server.process is not None
    with visitors.visiting():
        visitors.wait_for_more(5)
        server.process.send_signal(signal.SIGHUP)
        after = eventually(lambda: unless_given_up(server), lambda found: not found & {*before.values()}, START_SECONDS)
        eventually(lambda: [pid for pid in before.values() if is_running(pid)], lambda found: not found)
        visitors.wait_for_more(5)
    assert (visitors.faults, visitors.broken) == ([], 0)
    assert told(server, "worker_died") == []
    slow = IPOP.chat("simulator/slow-30ms", stream=True)
    with client_of(server) as client, client.stream("POST", IPOP.url, json=slow) as answer:
        texts = payloads(answer.iter_lines())
        next(texts)
        server.process.send_signal(signal.SIGTERM)
        *_, last = texts
        assert IPOP.is_end(last)
    assert server.process.wait(timeout=60) == 0
    assert not is_open(server)
    assert [pid for pid in after if is_running(pid)] == []
    server.process = None


def test_without_their_parent_they_end_and_free_the_port(server: LiveServer) -> None:
    pids = serving(server).values()
    server.stop(signal.SIGKILL)
    eventually(lambda: [pid for pid in pids if is_running(pid)], lambda found: not found)
    assert not is_open(server)


def test_what_the_first_complains_of_is_said_once(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, options=("--workers", "3"))
    (tmp_path / "concordat.db").write_bytes(b"no database at all " * 100)
    with pytest.raises(RuntimeError, match="did not start"):
        server.start()
    assert server.log_text().count("file is not a database") == 1
    assert "the first server process ended with status 1 before it served" in server.log_text()


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    server = LiveServer(tmp_path, options=TWO)
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        server.port = taken.getsockname()[1]
        done = server.cli("serve", *TWO)
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{server.port}" in done.stderr
    assert not (tmp_path / "concordat.db").exists()


def test_many_that_start_on_an_empty_directory_make_one_key(tmp_path: Path) -> None:
    none = {"CONCORDAT_BOOTSTRAP_KEYS": "", "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN": ""}
    servers = [LiveServer(tmp_path / "data", none, TWO) for _ in range(2)]
    starts = [threading.Thread(target=server.start) for server in servers]
    try:
        for start in starts:
            start.start()
        for start in starts:
            start.join()
        text = servers[0].log_text()
        assert (text.count("API key"), text.count("admin token")) == (1, 1)
        key = text.partition("API key")[2].split()[0]
        for server in servers:
            with client_of(server, key) as client:
                assert client.post(IPOP.url, json=IPOP.chat()).status_code == 200
    finally:
        for server in servers:
            server.stop()
