from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.journeys.speaking import speaking
from tests.live import LiveServer, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for every journey that does not restart it. It must not have logged an error when they are done."""
    with running(tmp_path_factory.mktemp("server")) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """Speaks for the project `default`."""
    with speaking(server) as client:
        yield client


@pytest.fixture
def other(server: LiveServer) -> Iterator[httpx.Client]:
    """Speaks for the project `other`."""
    with speaking(server, server.other_key) as client:
        yield client


@pytest.fixture
def stranger(server: LiveServer) -> Iterator[httpx.Client]:
    """Has no credential."""
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield client
