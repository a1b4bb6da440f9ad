from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.live import LiveServer, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("conformance")) as live:
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture(scope="session")
def access_key(server: LiveServer) -> str:
    """`ID:SECRET`, to sign with."""
    made = json.loads(server.cli("storage", "keys", "create", "--json").stdout)
    return f"{made['access_key_id']}:{made['secret_access_key']}"
