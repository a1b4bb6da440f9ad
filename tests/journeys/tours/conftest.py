from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.contract.providers.fake_vendor import json_reply
from tests.journeys.dialects import Dialect
from tests.journeys.loopback_vendors import vendors
from tests.journeys.tours.tour import Tour
from tests.live import LiveServer, running


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """It takes a vendor on loopback for OpenAI, and has no key for it. It keeps what is said."""
    with vendors() as served:
        served["openai"].answers(json_reply({"object": "list", "data": []}))
        settings = {"OPENAI_BASE_URL": served["openai"].fake.url + "/v1", "CONCORDAT_CAPTURE": "all"}
        with running(tmp_path_factory.mktemp("tours"), **settings) as live:
            yield live
            assert '"level":"error"' not in live.log_text()


@pytest.fixture
def begin(server: LiveServer) -> Iterator[Callable[[Dialect], Tour]]:
    headers = {"Authorization": f"Bearer {server.key}"}
    with httpx.Client(base_url=server.url, headers=headers, timeout=60) as client:
        yield lambda dialect: Tour(dialect, client, server.admin_token)
