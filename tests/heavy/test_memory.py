"""A server does not grow with what it has answered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.rig.family import resident_megabytes
from tests.heavy.load import Load
from tests.live import running

pytestmark = pytest.mark.heavy

WARM = 20_000
REQUESTS = 180_000
GROWTH_MEGABYTES = 10.0


def test_memory_is_flat_over_many_requests(tmp_path: Path) -> None:
    with running(tmp_path, CONCORDAT_VALIDATE_RESPONSES="false") as server:
        load, figures = Load(server), dict[int, float]()
        assert server.process is not None
        with load.running():
            for count in range(WARM, WARM + REQUESTS + 1, WARM):
                while len(load.ended) < count and not load.refused:
                    time.sleep(0.05)
                figures[count] = resident_megabytes(server.process.pid)
        assert load.refused == []
        print("\n" + "\n".join(f"after {count}: {megabytes:.1f} MB" for count, megabytes in figures.items()))
        assert figures[WARM + REQUESTS] - figures[WARM] <= GROWTH_MEGABYTES
