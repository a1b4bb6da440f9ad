"""The journeys that share a server, once more over Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.storage.conftest import fresh_database
from tests.journeys.test_chat import *  # noqa: F403
from tests.journeys.test_containers import *  # noqa: F403
from tests.journeys.test_embeddings import *  # noqa: F403
from tests.journeys.test_idempotency import *  # noqa: F403
from tests.journeys.test_records import *  # noqa: F403
from tests.journeys.test_responses import *  # noqa: F403
from tests.journeys.test_stored_chats import *  # noqa: F403
from tests.journeys.test_tenancy import *  # noqa: F403
from tests.live import LiveServer

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with fresh_database(postgres_url) as url:
        live = LiveServer(tmp_path_factory.mktemp("postgres"), {"CONCORDAT_DATABASE_URL": url})
        with pytest.raises(RuntimeError, match="concordat db upgrade"):
            live.start()
        assert live.cli("db", "upgrade").returncode == 0
        live.start()
        yield live
        live.stop()
        assert '"level":"error"' not in live.log_text()
