"""A million requests through an archive and from one database to the other: how fast, and in how much memory."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.contract.storage.conftest import fresh_database
from tests.live import ROOT, LiveServer

pytestmark = pytest.mark.heavy

ROWS = int(os.environ.get("CONCORDAT_TEST_ROWS", "1000000"))
MOST_MEGABYTES = 300
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
INSERT INTO requests (
    request_id, api, operation_id, started_at, project_id, key_id, state, http_status, streamed, model, provider,
    prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_micros, duration_us,
    finish_reason, metadata, process_id, kind)
SELECT printf('req_%032x', i * 2654435761 % 4294967296), 'ipop', 'chat_completions_create',
    strftime('%Y-%m-%d %H:%M:%S.000000', 1760000000 + i, 'unixepoch'), 'project-' || i % 7, 'key-' || i % 31,
    'completed', 200, i % 2, 'simulator/chat', 'simulator', 100 + i % 900, i % 500, 0, 0, 0, i % 1000, 1000 + i % 10000,
    'stop', CASE i % 4 WHEN 0 THEN '{"user": "u' || i || '", "n": 1.5}' END, 'proc_gone', 'chat'
FROM n
"""
COMMAND = """
import resource, sys
from server.cli import main
try:
    main()
finally:
    used = resource.getrusage(resource.RUSAGE_SELF)
    print("used", used.ru_maxrss // 1024, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> LiveServer:
    server = LiveServer(tmp_path_factory.mktemp("million"))
    assert server.cli("db", "upgrade").returncode == 0
    with closing(sqlite3.connect(server.data_dir / "concordat.db")) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(FILL, {"rows": ROWS})
        connection.commit()
    return server


@pytest.fixture(scope="module")
def postgres(postgres_url: str) -> Iterator[str]:
    with fresh_database(postgres_url) as url:
        yield url


def run(server: LiveServer, *arguments: str) -> dict[str, Any]:
    """Prints what it took."""
    began = time.monotonic()
    command = [sys.executable, "-c", COMMAND, *arguments, "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=server.environment, capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stderr
    seconds, (peak, computing) = time.monotonic() - began, map(float, done.stderr.split("used ")[1].split())
    told: dict[str, Any] = json.loads(done.stdout)
    print(f"\n{' '.join(arguments[:2])}: {told['rows']} rows in {seconds:.1f} s, {told['rows'] / seconds:.0f} rows/s,")
    print(f"  {computing:.1f} s of them computing, {peak:.0f} MB at its peak")
    assert told["rows"] >= ROWS
    assert peak <= MOST_MEGABYTES
    return told


def test_a_million_rows_come_and_go(source: LiveServer, postgres: str, tmp_path: Path) -> None:
    archive = tmp_path / "million.zip"
    rows = run(source, "backup", str(archive))["rows"]
    print(f"  the archive has {archive.stat().st_size / 1e6:.0f} MB")
    back = LiveServer(tmp_path / "back")
    assert run(back, "restore", str(archive))["rows"] == rows
    assert run(source, "db", "copy", "--to", postgres)["rows"] == rows
    there = LiveServer(tmp_path / "there", {"CONCORDAT_DATABASE_URL": postgres})
    again = tmp_path / "again.zip"
    assert run(there, "backup", str(again))["rows"] == rows
