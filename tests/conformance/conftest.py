from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live import LiveServer, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("conformance")) as live:
        yield live
        assert '"level":"error"' not in live.log_text()
