"""A process that does background jobs and serves nobody tells its operator what it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from tests.contract.providers.fake_vendor import json_reply
from tests.journeys.loopback_vendors import vendors
from tests.journeys.waiting import eventually
from tests.live import LiveServer, free_port, running

TOKEN = "metrics_0123456789abcdef"


@contextmanager
def worker(server: LiveServer, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    with server.log_file.open("ab") as log:
        command = [sys.executable, "-m", "server.cli", "worker"]
        process = subprocess.Popen(
            command, cwd=server.checkout, env=server.environment | settings, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def answers(url: str, token: str | None) -> httpx.Response | None:
    try:
        return httpx.get(url, headers={"Authorization": f"Bearer {token}"} if token else {}, timeout=60)
    except httpx.TransportError:
        return None


def test_a_worker_shows_metrics_and_exports_what_it_did(tmp_path: Path) -> None:
    page = f"127.0.0.1:{free_port()}"
    with vendors() as served, running(tmp_path, CONCORDAT_WORKER="false") as server:
        collector = served["openai"]
        collector.answers(json_reply({}))
        settings = {"CONCORDAT_WORKER_METRICS": page, "CONCORDAT_METRICS_TOKEN": TOKEN}
        with worker(server, CONCORDAT_OTLP_ENDPOINT=collector.fake.url, **settings):
            url = f"http://{page}/-/metrics"
            shown = eventually(lambda: answers(url, TOKEN), lambda found: found is not None)
            assert (shown.status_code, answers(url, None).status_code) == (200, 401)  # type: ignore[union-attr]
            assert answers(url, server.admin_token).status_code == 200  # type: ignore[union-attr]
            assert answers(url, server.key).status_code == 401  # type: ignore[union-attr]
            assert answers(f"http://{page}/ipop/v1/models", server.key).status_code == 404  # type: ignore[union-attr]
            _ask_in_background(server)
            counted = 'operation="responses_create",provider="simulator",status="200"} 1.0'
            eventually(lambda: counted in answers(url, TOKEN).text)  # type: ignore[union-attr]
            eventually(lambda: "chat simulator/chat" in _spans(collector.fake.seen))
            names = _spans(collector.fake.seen)
            assert names.count("chat simulator/chat") == names.count("chat chat") == 1


def _ask_in_background(server: LiveServer) -> None:
    body = {"model": "simulator/chat", "input": "Hello", "background": True}
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(base_url=f"{server.url}/ipop/v1", headers=headers, timeout=60) as client:
        made = client.post("/responses", json=body).raise_for_status().json()["id"]
        eventually(lambda: client.get(f"/responses/{made}").json()["status"] == "completed")


def _spans(seen: list[Any]) -> list[str]:
    sent = [orjson.loads(one.body) if isinstance(one.body, bytes) else one.body for one in seen]
    resources = [part for one in sent for part in one.get("resourceSpans", [])]
    return [span["name"] for part in resources for scope in part["scopeSpans"] for span in scope["spans"]]


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_WORKER="false") as server:
        settings = {"CONCORDAT_WORKER_METRICS": f"127.0.0.1:{server.port}"}
        command = [sys.executable, "-m", "server.cli", "worker"]
        done = subprocess.run(
            command,
            cwd=server.checkout,
            env=server.environment | settings,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode != 0
        assert "cannot listen on" in done.stderr
        assert "Traceback" not in done.stderr
