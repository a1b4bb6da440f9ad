"""The journeys that share a server, once more with two processes: each connection meets either."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.journeys.crews import serving
from tests.journeys.test_background import *  # noqa: F403
from tests.journeys.test_chat import *  # noqa: F403
from tests.journeys.test_containers import *  # noqa: F403
from tests.journeys.test_embeddings import *  # noqa: F403
from tests.journeys.test_files import *  # noqa: F403
from tests.journeys.test_idempotency import *  # noqa: F403
from tests.journeys.test_kv import *  # noqa: F403
from tests.journeys.test_records import *  # noqa: F403
from tests.journeys.test_responses import *  # noqa: F403
from tests.journeys.test_stored_chats import *  # noqa: F403
from tests.journeys.test_tenancy import *  # noqa: F403
from tests.journeys.waiting import START_SECONDS, eventually
from tests.live import LiveServer, running

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with running(tmp_path_factory.mktemp("crew"), "--workers", "2") as live:
        eventually(lambda: serving(live), lambda found: len(found) == 2, START_SECONDS)
        yield live
        assert '"level":"error"' not in live.log_text()


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """No connection is used twice."""
    headers = {"Authorization": f"Bearer {server.key}", "Connection": "close"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield client
