"""A server that is killed under load loses nothing that a client has read to its end."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.heavy.load import Load
from tests.journeys.dialects import IPOP
from tests.live import LiveServer

pytestmark = pytest.mark.heavy

ROUNDS = 4
SECONDS = 4.0
MODEL = "claude-sonnet-4.6"
"""Simulated, and priced at 3 and 15 micro-dollars a token."""


def test_every_answer_that_was_read_is_recorded_once(database_settings: dict[str, str], tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", {**database_settings, "CONCORDAT_VALIDATE_RESPONSES": "false"})
    if database_settings:
        assert server.cli("db", "upgrade").returncode == 0
    begun, ended, refused = list[str](), list[str](), list[str]()
    try:
        for _ in range(ROUNDS):
            server.start()
            load = Load(server, MODEL)
            with load.running():
                time.sleep(SECONDS)
                server.stop(signal.SIGKILL)
            begun, ended, refused = begun + load.begun, ended + load.ended, refused + load.refused
        server.start()
        found, tokens = history(server), tokens_of_a_chat(server)
    finally:
        server.stop()
    assert refused == []
    states = {record["request_id"]: record["status"] for record in found}
    assert len(states) == len(found)
    assert len(set(ended)) == len(ended) > 100
    assert Counter(states.get(request_id) for request_id in ended) == {"completed": len(ended)}
    assert {states.get(request_id) for request_id in begun} <= {"completed", "canceled"}
    assert "running" not in states.values()
    answered = {(one["tokens_in"], one["tokens_out"], one["cost"]) for one in found if one["status"] == "completed"}
    assert answered == {(*tokens, (3 * tokens[0] + 15 * tokens[1]) / 1e6)}
    print(f"\n{len(ended)} answers read, {Counter(states.values())} in the ledger, {ROUNDS} kills")


def history(server: LiveServer) -> list[dict[str, Any]]:
    """As the project sees it."""
    answer = httpx.get(f"{server.url}{IPOP.prefix}/request-history/export", headers=keyed(server), timeout=60)
    records: list[dict[str, Any]] = answer.raise_for_status().json()
    return records


def tokens_of_a_chat(server: LiveServer) -> tuple[int, int]:
    """Of the load's chat, which means the same on every API."""
    answer = httpx.post(server.url + IPOP.url, json=IPOP.chat(MODEL), headers=keyed(server), timeout=60)
    usage = answer.raise_for_status().json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


def keyed(server: LiveServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.key}"}
