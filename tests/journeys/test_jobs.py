"""Background jobs in a server that was just installed, as its operator sees them."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from handlers.core.jobs import Job, Jobs
from storage.database import Database
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running


def enqueue(server: LiveServer, job_id: str) -> Job:
    async def ask() -> Job:
        database = Database.open(f"sqlite:///{server.data_dir}/concordat.db")
        try:
            return await Jobs(database, time.time, str).enqueue("maintenance", None, None, job_id=job_id)
        finally:
            await database.close()

    return asyncio.run(ask())


def shown(server: LiveServer, *command: str) -> Any:
    done = server.cli("jobs", *command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_server_does_jobs_by_itself(server: LiveServer) -> None:
    enqueue(server, "tidy")
    done = eventually(
        lambda: shown(server, "show", "tidy"), lambda job: job["state"] != "queued" and job["finished_at"]
    )
    assert (done["state"], done["progress"], done["project_id"]) == ("succeeded", 1.0, None)
    assert {"idempotency_keys", "jobs"} <= done["result"].keys()
    assert min(done["result"].values()) >= 0
    assert "tidy" in [job["id"] for job in shown(server, "list", "--state", "succeeded")]
    assert shown(server, "cancel", "tidy")["state"] == "succeeded"


@pytest.mark.parametrize("command", [("show", "none"), ("cancel", "none"), ("list", "--project", "nowhere")])
def test_what_is_not_there_is_said(server: LiveServer, command: tuple[str, ...]) -> None:
    done = server.cli("jobs", *command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("concordat: ")


def test_a_server_without_a_worker_leaves_jobs_to_others(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_WORKER="false") as server:
        enqueue(server, "tidy")
        time.sleep(1.5)
        assert shown(server, "show", "tidy")["state"] == "queued"
        assert shown(server, "cancel", "tidy")["state"] == "cancelled"
