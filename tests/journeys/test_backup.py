"""What was backed up from a server that runs is served by another one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.journeys.dialects import DIALECTS
from tests.journeys.ledger import LedgerReader
from tests.live import LiveServer, running

CONTENT = b"herons and rivers\n" * 1000


@dataclass
class Before:
    """A server that runs, and what a project has there. `file` is its backup, which holds the secret key."""

    server: LiveServer
    folder: Path
    file_id: str = ""
    request_ids: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    words: str = ""

    @property
    def file(self) -> Path:
        return Path(self.told["file"])

    def empty(self, name: str, **settings: str) -> LiveServer:
        return LiveServer(self.folder / name, settings)


def client_of(server: LiveServer) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {server.key}"}, timeout=30)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Before]:
    folder = tmp_path_factory.mktemp("backup")
    with running(folder / "data") as server, client_of(server) as client:
        seen = Before(server, folder)
        upload = {"file": ("herons.txt", CONTENT), "purpose": (None, "user_data")}
        seen.file_id = client.post("/ipop/v1/files", files=upload).json()["id"]
        answers = [client.post(dialect.url, json=dialect.chat()) for dialect in DIALECTS]
        seen.request_ids = [answer.headers["x-request-id"] for answer in answers]
        made = server.cli("storage", "keys", "create", "--project", "default", "--json")
        assert made.returncode == 0, made.stderr
        (folder / "backups").mkdir()
        done = server.cli("backup", str(folder / "backups"), "--with-secret-key", "--json")
        assert done.returncode == 0, done.stderr
        seen.told, seen.words = json.loads(done.stdout), done.stderr
        yield seen


def restored(before: Before, target: LiveServer) -> dict[str, Any]:
    done = target.cli("restore", str(before.file), "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check_that_all_is_there(before: Before, server: LiveServer) -> None:
    with client_of(server) as client:
        assert client.get(f"/ipop/v1/files/{before.file_id}/content").content == CONTENT
        assert client.post(DIALECTS[0].url, json=DIALECTS[0].chat()).status_code == 200
    records = {record.request_id: record.state for record in LedgerReader.of(server).all("default")}
    assert [records[request_id] for request_id in before.request_ids] == ["completed"] * len(DIALECTS)


def test_another_server_has_all_that_was_backed_up(before: Before) -> None:
    target = before.empty("restored")
    assert restored(before, target)["rows"] == before.told["rows"]
    target.start()
    try:
        check_that_all_is_there(before, target)
    finally:
        target.stop()
    keys = [(server.data_dir / "secrets.key").read_bytes() for server in (before.server, target)]
    assert keys[0] == keys[1]


def test_a_backup_says_what_it_holds(before: Before) -> None:
    assert before.told["files"] == 1
    assert before.told["file_bytes"] == len(CONTENT)
    assert before.told["secret_key"] == "included"
    assert "who has the file can read every stored key" in before.words
    assert "catalog.yaml" in before.words
    done = before.server.cli("backup", str(before.folder / "without.zip"))
    assert done.returncode == 0, done.stderr
    assert "the secret key" in done.stderr
    assert "is not in it" in done.stderr


def test_a_server_that_runs_is_not_restored_over_or_copied(before: Before) -> None:
    refused = before.server.cli("restore", str(before.file))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "already" in refused.stderr
    refused = before.server.cli("db", "copy", "--to", f"sqlite:///{before.folder}/copy.db")
    assert refused.returncode == 1
    assert "stop all servers" in refused.stderr
    assert not (before.folder / "copy.db").exists()


def test_what_is_no_backup_is_refused_and_leaves_nothing(before: Before) -> None:
    cut = before.folder / "cut.zip"
    cut.write_bytes(before.file.read_bytes()[:-1000])
    target = before.empty("nothing")
    refused = target.cli("restore", str(cut))
    assert refused.returncode == 1
    assert "no backup" in refused.stderr
    assert not list(before.folder.glob("nothing/*"))


def test_a_copy_of_the_database_goes_on_with_the_same_files(before: Before) -> None:
    stopped = before.empty("stopped")
    rows = restored(before, stopped)["rows"]
    url = f"sqlite:///{before.folder}/moved/concordat.db"
    done = stopped.cli("db", "copy", "--to", url, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == rows
    blobs = f"file://{stopped.data_dir}/blobs"
    moved = before.empty("moved", CONCORDAT_DATABASE_URL=url, CONCORDAT_BLOB_URL=blobs)
    moved.start()
    try:
        check_that_all_is_there(before, moved)
    finally:
        moved.stop()
    again = stopped.cli("db", "copy", "--to", url)
    assert again.returncode == 1
    assert "already" in again.stderr
