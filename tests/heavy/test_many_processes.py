"""What holds for several processes on SQLite, once more over Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.storage.conftest import fresh_database
from tests.journeys.test_many_processes import *  # noqa: F403
from tests.live import LiveServer

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with fresh_database(postgres_url) as url:
        settings = {"CONCORDAT_DATABASE_URL": url, "CONCORDAT_DATABASE_CONNECTIONS": "6"}
        live = LiveServer(tmp_path_factory.mktemp("crew"), settings, ("--workers", "2"))
        assert live.cli("db", "upgrade").returncode == 0
        live.start()
        yield live
        live.stop()
        assert '"level":"error"' not in live.log_text()
