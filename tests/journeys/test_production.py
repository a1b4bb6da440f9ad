"""A production server: nothing is simulated unless it is asked for by name, and the catalog is the operator's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.dialects import DIALECTS, Dialect
from tests.journeys.test_errors import check
from tests.journeys.test_tenancy import listed
from tests.journeys.waiting import eventually
from tests.live import LiveServer, running

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)

ALWAYS = {"simulator/chat", "local/all-minilm-l6-v2"}
HOUSE_MODEL = """
models:
  - id: house/model
    capabilities: [chat]
    context_tokens: 1000
    max_output_tokens: 100
    deployments: [{vendor: simulator, model: chat}]
"""


@pytest.fixture(scope="module")
def catalog_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("catalog") / "models.yaml"
    file.write_text("models: []\n")
    return file


@pytest.fixture(scope="module")
def production(catalog_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    settings = {"CONCORDAT_PROFILE": "production", "CONCORDAT_CATALOG": str(catalog_file)}
    with running(tmp_path_factory.mktemp("production"), **settings) as server:
        yield server


@pytest.fixture
def client(production: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {production.key}"}
    with httpx.Client(base_url=production.url, headers=headers, timeout=60) as client:
        yield client


@each
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_model_whose_vendor_has_no_key_is_unavailable(client: httpx.Client, dialect: Dialect, stream: bool) -> None:
    answer = client.post(dialect.url, json=dialect.chat("openai/gpt-5.5", stream=stream))
    check(dialect, answer, 503)
    if dialect.api == "ipop":
        assert (answer.json()["code"], answer.json()["retryable"]) == ("model_unavailable", False)
    if dialect.api == "maniac":
        assert answer.json()["error"]["code"] == "MODEL_UNAVAILABLE"


@each
def test_simulator_answers_when_it_is_named(client: httpx.Client, dialect: Dialect) -> None:
    answer = client.post(dialect.url, json=dialect.chat())
    assert (answer.status_code, answer.headers["x-concordat-provider"]) == (200, "simulator")


def test_catalog_is_taken_in_as_it_changes_and_kept_while_it_is_broken(
    client: httpx.Client, production: LiveServer, catalog_file: Path
) -> None:
    for dialect in DIALECTS:
        assert listed(client, dialect) == ALWAYS
    catalog_file.write_text(HOUSE_MODEL)
    eventually(lambda: listed(client, DIALECTS[0]), lambda seen: "house/model" in seen)
    for dialect in DIALECTS:
        assert listed(client, dialect) == {*ALWAYS, "house/model"}
        assert client.post(dialect.url, json=dialect.chat("house/model")).status_code == 200
    catalog_file.write_text(HOUSE_MODEL.replace("context_tokens", "contxt_tokens"))
    eventually(lambda: "there is no field contxt_tokens" in production.log_text())
    for dialect in DIALECTS:
        assert client.post(dialect.url, json=dialect.chat("house/model")).status_code == 200
    catalog_file.unlink()
    eventually(lambda: listed(client, DIALECTS[0]), lambda seen: seen == ALWAYS)
    for dialect in DIALECTS:
        check(dialect, client.post(dialect.url, json=dialect.chat("house/model")), 404)
