"""A server that is killed under load loses nothing that a client has read to its end."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.heavy.load import Load
from tests.journeys.ledger import LedgerReader
from tests.live import LiveServer

pytestmark = pytest.mark.heavy

ROUNDS = 4
SECONDS = 4.0


def test_every_answer_that_was_read_is_recorded_once(database_settings: dict[str, str], tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", {**database_settings, "CONCORDAT_VALIDATE_RESPONSES": "false"})
    if database_settings:
        assert server.cli("db", "upgrade").returncode == 0
    begun, ended, refused = list[str](), list[str](), list[str]()
    try:
        for _ in range(ROUNDS):
            server.start()
            load = Load(server)
            with load.running():
                time.sleep(SECONDS)
                server.stop(signal.SIGKILL)
            begun, ended, refused = begun + load.begun, ended + load.ended, refused + load.refused
        server.start()
        found = LedgerReader.of(server).all("default")
    finally:
        server.stop()
    assert refused == []
    states = {record.request_id: record.state for record in found}
    assert len(states) == len(found)
    assert len(set(ended)) == len(ended) > 100
    assert Counter(states.get(request_id) for request_id in ended) == {"completed": len(ended)}
    assert {states.get(request_id) for request_id in begun} <= {"completed", "interrupted"}
    assert "started" not in states.values()
    print(f"\n{len(ended)} answers read, {Counter(states.values())} in the ledger, {ROUNDS} kills")
