"""A large batch outlives its server, and is paid for once."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.journeys.ledger import LedgerReader
from tests.journeys.test_batches import FINAL, chat, create, get, lines, upload
from tests.live import LiveServer

pytestmark = pytest.mark.heavy

ROWS = 10_000
KILLS = 3
MODEL = "openai/gpt-5.5"
CREDITS_USD = 1000
PATIENCE_SECONDS = 240.0


def client_of(server: LiveServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=60)


def wait_for(server: LiveServer, batch_id: str, rows: int) -> dict[str, object]:
    """The batch once so many rows are done, or it has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with client_of(server) as client:
        while True:
            listed = client.get("/ipop/v1/batches").raise_for_status().json()["data"]
            found = next(batch for batch in listed if batch["id"] == batch_id)
            if found["request_counts"]["completed"] >= rows or found["status"] in FINAL:
                return dict(found)
            assert time.monotonic() < deadline, found
            time.sleep(0.02)


def test_a_batch_that_is_killed_three_times_is_whole_and_paid_once(
    database_settings: dict[str, str], tmp_path: Path
) -> None:
    server = LiveServer(tmp_path / "data", {**database_settings, "CONCORDAT_VALIDATE_RESPONSES": "false"})
    if database_settings:
        assert server.cli("db", "upgrade").returncode == 0
    moments = sorted(random.Random(time.time()).sample(range(ROWS // 20, ROWS * 9 // 10), KILLS))
    server.start()
    try:
        assert server.cli("credits", "set", str(CREDITS_USD), "--project", "default").returncode == 0
        with client_of(server) as client:
            rows = [chat(f"row-{n}", f"question {n}", model=MODEL) for n in range(ROWS)]
            batch_id = create(client, upload(client, *rows))["id"]
        for moment in moments:
            wait_for(server, batch_id, moment)
            server.stop(signal.SIGKILL)
            server.start()
        assert wait_for(server, batch_id, ROWS + 1)["status"] == "completed"
        with client_of(server) as client:
            batch = get(client, {"id": batch_id})
            out = lines(client, batch["output_file_id"])
        shown = server.cli("credits", "show", "--project", "default", "--json").stdout
    finally:
        server.stop()
    assert (batch["request_counts"], batch["error_file_id"]) == (
        {"total": ROWS, "completed": ROWS, "failed": 0},
        None,
    )
    assert [line["custom_id"] for line in out] == [f"row-{n}" for n in range(ROWS)]
    records = LedgerReader.of(server).all("default")
    found = [record for record in records if record.operation_id == "chat_completions_create"]
    assert {record.state for record in found} == {"completed"}
    assert {record.request_id for record in found} == {line["response"]["request_id"] for line in out}
    assert len(found) == ROWS
    spent = sum(record.cost_micros for record in found)
    assert spent > 0
    assert round(float(json.loads(shown)["balance_usd"]) * 1_000_000) == CREDITS_USD * 1_000_000 - spent
    print(f"\n{ROWS} rows, killed at {moments}, {spent / 1e6:.2f} USD billed")


def test_rows_a_second(database_settings: dict[str, str], tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", {**database_settings, "CONCORDAT_VALIDATE_RESPONSES": "false"})
    if database_settings:
        assert server.cli("db", "upgrade").returncode == 0
    server.start()
    try:
        with client_of(server) as client:
            file_id = upload(client, *(chat(f"row-{n}", f"question {n}", model=MODEL) for n in range(ROWS)))
            began = time.monotonic()
            batch_id = create(client, file_id)["id"]
        assert wait_for(server, batch_id, ROWS + 1)["status"] == "completed"
        print(f"\n{ROWS / (time.monotonic() - began):.0f} rows a second, {ROWS} rows, on one server")
    finally:
        server.stop()
