"""Exports of any length take no more memory than short ones, and end when nobody reads them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from benchmarks.history import Filling, fill, project_ids
from benchmarks.rig.family import resident_megabytes
from tests.journeys.dialects import IPOP
from tests.live import LiveServer, running

pytestmark = pytest.mark.heavy

ROWS = 100_000
GROWTH_MEGABYTES = 20.0
EXPORTS = ("/request-history/export", "/usage/export", "/account/meter-events/export", "/admin/inference/export")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("exports")
    with running(folder, CONCORDAT_VALIDATE_RESPONSES="false"):
        pass
    path = folder / "concordat.db"
    fill(path, Filling(asyncio.run(project_ids(path))), ROWS)
    with running(folder, CONCORDAT_VALIDATE_RESPONSES="false") as server:
        yield server


def headers(server: LiveServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.key}", "X-Admin-Token": server.admin_token}


def pid(server: LiveServer) -> int:
    assert server.process is not None
    return server.process.pid


@pytest.mark.parametrize("path", EXPORTS)
def test_an_export_is_read_whole_in_constant_memory(full: LiveServer, path: str, tmp_path: Path) -> None:
    url = full.url + IPOP.prefix
    httpx.get(f"{url}/request-history?limit=5", headers=headers(full)).raise_for_status()
    idle = highest = resident_megabytes(pid(full))
    began, file = time.monotonic(), tmp_path / "export"
    with (
        httpx.stream("GET", url + path, headers=headers(full), timeout=120) as answer,
        file.open("wb") as out,
    ):
        for number, chunk in enumerate(answer.iter_bytes(2**20)):
            out.write(chunk)
            if number % 5 == 0:
                highest = max(highest, resident_megabytes(pid(full)))
    took = time.monotonic() - began
    print(f"\n{path}: {file.stat().st_size / 2**20:.0f} MB in {took:.1f} s, {idle:.1f} MB idle, {highest:.1f} at most")
    assert count(file) >= 0.85 * ROWS
    assert highest - idle <= GROWTH_MEGABYTES


def count(file: Path) -> int:
    """How many requests are told of."""
    content = file.read_bytes()
    if content.startswith(b'{"type"'):
        return len({orjson.loads(line)["request_id"] for line in content.splitlines()})
    records = orjson.loads(content)
    records = records if isinstance(records, list) else records["records"]
    return len({record.get("request_id") or record["id"].partition(".")[0] for record in records})


def test_an_export_that_nobody_reads_any_more_ends(full: LiveServer) -> None:
    with httpx.stream("GET", f"{full.url}{IPOP.prefix}/usage/export", headers=headers(full), timeout=60) as answer:
        next(answer.iter_bytes(2**10))
    time.sleep(1.0)
    used = cpu_seconds(full)
    time.sleep(1.0)
    assert cpu_seconds(full) - used < 0.5


def cpu_seconds(server: LiveServer) -> float:
    fields = Path(f"/proc/{pid(server)}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
