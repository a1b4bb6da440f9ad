"""Responses in the background outlive kill -9: nothing is told twice, nothing is lost, and they are billed once."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.journeys.ledger import LedgerReader
from tests.journeys.waiting import eventually
from tests.live import ROOT, LiveServer

pytestmark = pytest.mark.heavy

URL = "/ipop/v1/responses"
ASKED = "word " * 20
MODEL = "simulator/slow-100ms"


@dataclass
class Running:
    """A server, and workers beside it that a test starts and kills."""

    server: LiveServer
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    since: float = field(default_factory=time.time)

    @property
    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.server.key}"}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=60)

    def kill(self) -> None:
        self.server.stop(signal.SIGKILL)

    def work(self) -> None:
        command = [sys.executable, "-m", "server.cli", "worker"]
        with self.server.log_file.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.server.environment, stdout=log, stderr=log)
        self.workers.append(process)

    def stop(self) -> None:
        self.server.stop()
        for process in self.workers:
            process.send_signal(signal.SIGTERM)
        assert {process.wait(timeout=30) for process in self.workers} <= {0, -signal.SIGKILL}
        assert '"level":"error"' not in self.server.log_text()


@contextmanager
def house(tmp_path: Path, database_settings: dict[str, str], **more: str) -> Iterator[Running]:
    server = LiveServer(tmp_path / "data", {**database_settings, **more})
    if database_settings:
        upgraded = server.cli("db", "upgrade")
        assert upgraded.returncode == 0, upgraded.stderr
    server.start()
    running = Running(server)
    try:
        yield running
    finally:
        running.stop()


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    return (orjson.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))


def text_of(told: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")


def begin(running: Running, heard: int = 12, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """Asks, listens to the first events, and leaves. The request's id, and what was told."""
    asked = {"model": MODEL, "input": ASKED, "background": True, "stream": True, **more}
    with running.client as client, client.stream("POST", URL, json=asked) as answer:
        assert answer.status_code == 200, answer.read()
        return answer.headers["x-request-id"], list(itertools.islice(events(answer.iter_lines()), heard))


def rest(running: Running, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    params = {"stream": "true", "starting_after": told[-1]["sequence_number"]}
    url = f"{URL}/{told[0]['response']['id']}"
    with running.client as client, client.stream("GET", url, params=params) as answer:
        assert answer.status_code == 200, answer.read()
        return list(events(answer.iter_lines()))


def assert_whole(running: Running, request_id: str, told: list[dict[str, Any]]) -> None:
    """What was told before and after is one stream without a seam, and there is one bill for it."""
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    final = told[-1]["response"]
    with running.client as client:
        assert client.get(f"{URL}/{final['id']}").json() == final
    assert (told[-1]["type"], final["status"]) == ("response.completed", "completed")
    assert len(final["output"]) == 1
    assert text_of(told) == final["output_text"] != ""
    record = LedgerReader.of(running.server).get("default", request_id)
    assert record is not None
    assert (record.state, record.completion_tokens) == ("completed", final["usage"]["output_tokens"])
    assert billed(running) == [request_id]


def billed(running: Running) -> list[str]:
    records = LedgerReader.of(running.server).all("default")
    return [r.request_id for r in records if r.model == MODEL and r.started_at >= running.since]


def test_a_killed_server_goes_on_when_it_is_started_again(tmp_path: Path, database_settings: dict[str, str]) -> None:
    with house(tmp_path, database_settings) as running:
        request_id, told = begin(running)
        running.kill()
        running.server.start()
        told += rest(running, told)
        assert_whole(running, request_id, told)


def test_one_that_is_polled_is_made_after_all(tmp_path: Path, database_settings: dict[str, str]) -> None:
    with house(tmp_path, database_settings) as running:
        body = {"model": "simulator/slow-1500ms", "input": ASKED, "background": True}
        with running.client as client:
            response_id = client.post(URL, json=body).json()["id"]
            eventually(lambda: client.get(f"{URL}/{response_id}").json()["status"] == "in_progress")
        running.kill()
        running.server.start()
        with running.client as client:
            made = eventually(
                lambda: client.get(f"{URL}/{response_id}").json(),
                lambda r: r["status"] not in ("queued", "in_progress"),
            )
        assert (made["status"], bool(made["output_text"])) == ("completed", True)


def test_another_worker_takes_over_while_a_reader_listens(tmp_path: Path, database_settings: dict[str, str]) -> None:
    """And the server that answered the request is not the one that does it, nor is it told by anything but the
    database."""
    with house(tmp_path, database_settings, CONCORDAT_WORKER="false") as running:
        running.work()
        request_id, told = begin(running)
        (first,) = running.workers
        first.send_signal(signal.SIGKILL)
        first.wait()
        running.work()
        began = time.monotonic()
        told += rest(running, told)
        print(f"\nwhole {time.monotonic() - began:.1f} s after the other began")
        assert_whole(running, request_id, told)


def test_one_is_cancelled_from_another_process(tmp_path: Path, database_settings: dict[str, str]) -> None:
    with house(tmp_path, database_settings, CONCORDAT_WORKER="false") as running:
        running.work()
        with running.client as client:
            answer = client.post(URL, json={"model": "simulator/hang", "input": "hi", "background": True})
            url = f"{URL}/{answer.json()['id']}"
            eventually(lambda: client.get(url).json()["status"] == "in_progress")
            began = time.monotonic()
            assert client.post(f"{url}/cancel").json()["status"] == "cancelled"
        record = LedgerReader.of(running.server).settled("default", answer.headers["x-request-id"])
        print(f"\nstopped after {time.monotonic() - began:.1f} s")
        assert (record.state, record.error_code) == ("interrupted", "cancelled")


def test_a_kill_between_asking_and_working_loses_nothing(tmp_path: Path, database_settings: dict[str, str]) -> None:
    with house(tmp_path, database_settings, CONCORDAT_WORKER="false") as running:
        request_id, told = begin(running, heard=2)
        assert [event["type"] for event in told] == ["response.created", "response.queued"]
        running.kill()
        running.work()
        running.server.start()
        told += rest(running, told)
        assert_whole(running, request_id, told)
