"""The ways a server can be started, and what it says of itself in each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.dialects import DEPRECATED, DIALECTS, IPOP, LLAMA, MANIAC, Dialect
from tests.journeys.speaking import speaking
from tests.journeys.test_errors import check
from tests.live import LiveServer, running

each = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)

PAGE = "https://app.example"
"""An origin of a browser's page."""


# ---- all APIs side by side ----


@pytest.mark.parametrize("prefix", ["/-/", "/"])
def test_health_and_readiness_are_open(stranger: httpx.Client, prefix: str) -> None:
    assert stranger.get(f"{prefix}healthz").json() == {"status": "ok"}
    assert stranger.get(f"{prefix}readyz").json() == {"status": "ready"}


@each
def test_document_says_where_it_is_mounted(stranger: httpx.Client, dialect: Dialect) -> None:
    document = stranger.get(f"{dialect.prefix}/openapi.json")
    assert document.headers["content-type"] == "application/json"
    assert document.json()["openapi"].startswith("3.1")
    assert document.json()["servers"] == [{"url": dialect.prefix}]
    assert dialect.chat_path in document.json()["paths"]


def test_docs_page_loads_nothing_from_elsewhere(stranger: httpx.Client) -> None:
    for path in ("/", "/docs", "/-/docs"):
        assert stranger.get(path).headers["location"] == "/-/docs/"
    page = stranger.get("/-/docs/")
    assert page.status_code == 200
    loaded = re.findall(r"(?:src|href)=[\"']?([^\"' >]+)", page.text)
    assert len(loaded) >= 3
    for address in loaded:
        assert not address.startswith(("http:", "https:", "//"))
        assert stranger.get(str(page.url.join(address))).status_code in (200, 307), address


def test_docs_page_shows_every_api(stranger: httpx.Client) -> None:
    assert documents_shown(stranger) == [f"{d.prefix}/openapi.json" for d in DIALECTS]


def documents_shown(client: httpx.Client) -> list[str]:
    """Paths of the documents that the docs page offers, all of which are there."""
    shown = client.get("/-/docs/apis.json")
    paths = [shown.url.join(api["url"]).path for api in shown.json()]
    assert all(client.get(path).json()["openapi"] for path in paths)
    return paths


def test_every_answer_has_an_id_of_its_own(client: httpx.Client) -> None:
    answers = [client.post(dialect.url, json=dialect.chat(stream=stream)) for dialect in DIALECTS for stream in (0, 1)]
    answers += [client.get(f"{dialect.prefix}/no/such/path") for dialect in DIALECTS]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(request_id.startswith("req_") for request_id in ids)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1alpha/openai/v1/chat/completions"])
def test_later_names_of_the_deprecated_api_work(client: httpx.Client, path: str) -> None:
    answer = client.post(DEPRECATED.prefix + path, json=DEPRECATED.chat())
    assert answer.status_code == 200
    assert DEPRECATED.text(answer.json())


def test_deprecated_api_lists_models_as_its_own_client_reads_them(client: httpx.Client) -> None:
    own = client.get(f"{DEPRECATED.prefix}/v1/models").json()["data"]
    assert {model["identifier"] for model in own} >= {"simulator/chat", "local/all-minilm-l6-v2"}
    openai = client.get(f"{DEPRECATED.prefix}/v1/openai/v1/models").json()["data"]
    assert {model["id"] for model in openai} == {model["identifier"] for model in own}


def test_browsers_are_not_let_in_unless_configured(client: httpx.Client) -> None:
    answer = client.post(MANIAC.url, json=MANIAC.chat(), headers={"Origin": PAGE})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# ---- one API at its own path, with browsers let in and slow streams kept alive ----


@pytest.fixture(scope="module")
def ipop_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    settings = {"CONCORDAT_CORS_ORIGINS": PAGE, "CONCORDAT_KEEP_ALIVE_SECONDS": "0.02"}
    with running(tmp_path_factory.mktemp("ipop"), "--root", "ipop", **settings) as server:
        yield server


@pytest.fixture
def alone(ipop_alone: LiveServer) -> Iterator[httpx.Client]:
    with speaking(ipop_alone) as client:
        yield client


def test_api_alone_is_at_its_documents_own_path(alone: httpx.Client) -> None:
    assert alone.post("/v1/chat/completions", json=IPOP.chat()).status_code == 200
    assert alone.get("/v1/models").status_code == 200
    assert alone.get("/v1/openapi.json").json()["servers"] == [{"url": "/v1"}]
    check(IPOP, alone.get("/v1/no/such/path"), 404)
    for path in ("/ipop/v1/models", "/maniac/v1/models", "/llama-stack/v1/models"):
        assert alone.get(path).status_code == 404
    for path in ("/-/healthz", "/healthz", "/-/readyz", "/-/docs/"):
        assert alone.get(path).status_code == 200
    assert documents_shown(alone) == ["/v1/openapi.json"]


def test_browsers_of_the_configured_origin_are_let_in(alone: httpx.Client) -> None:
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    leave = alone.options("/v1/chat/completions", headers=asked)
    assert leave.status_code == 200
    assert leave.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in leave.headers["access-control-allow-headers"].lower()
    for model in ("simulator/chat", "simulator/error-429"):
        answer = alone.post("/v1/chat/completions", json=IPOP.chat(model), headers={"Origin": PAGE})
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
    asked["Origin"] = "https://elsewhere.example"
    assert "access-control-allow-origin" not in alone.options("/v1/chat/completions", headers=asked).headers


def test_slow_stream_is_kept_alive_by_comments(alone: httpx.Client) -> None:
    body = IPOP.chat("simulator/slow-350ms", stream=True, max_tokens=2)
    lines = [line for line in alone.post("/v1/chat/completions", json=body).text.split("\n\n") if line]
    assert lines[-1] == "data: [DONE]"
    assert ": keep-alive" in lines
    assert {line for line in lines if not line.startswith("data: ")} == {": keep-alive"}


def test_short_names_stay_beside_an_api_that_takes_all_paths(tmp_path: Path) -> None:
    with running(tmp_path, "--root", "maniac") as server, speaking(server) as client:
        assert client.get("/v1/models").status_code == 200
        assert client.get("/healthz").headers["x-request-id"]
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get("/docs").headers["location"] == "/-/docs/"
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/"}]
        check(MANIAC, client.get("/no/such/path"), 404)


# ---- without keys ----


@pytest.fixture(scope="module")
def without_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    settings = {"CONCORDAT_KEEP_ALIVE_SECONDS": "0.02"}
    with running(tmp_path_factory.mktemp("no-auth"), "--no-auth", **settings) as server:
        yield server


@each
def test_without_authentication_anybody_is_the_default_project(without_keys: LiveServer, dialect: Dialect) -> None:
    for headers in ({}, {"Authorization": "Bearer whatever"}):
        assert (
            httpx.post(without_keys.url + dialect.url, json=dialect.chat(), headers=headers, timeout=60).status_code
            == 200
        )


def test_without_authentication_nobody_is_admin_but_by_token(without_keys: LiveServer) -> None:
    url = f"{without_keys.url}/ipop/v1/admin/box/health"
    assert httpx.get(url, timeout=60).status_code == 401
    assert httpx.get(url, headers={"x-admin-token": "nonsense"}, timeout=60).status_code == 401


def test_without_authentication_only_loopback_is_listened_on(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", {"CONCORDAT_HOST": "0.0.0.0"})
    refused = server.cli("serve", "--no-auth")
    assert refused.returncode == 2
    assert "loopback" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_llama_stacks_clients_are_sent_no_comments(without_keys: LiveServer) -> None:
    """They take every line for an event."""
    body = LLAMA.chat(
        "simulator/slow-250ms", stream=True, sampling_params={"strategy": {"type": "greedy"}, "max_tokens": 2}
    )
    frames = [
        frame for frame in httpx.post(without_keys.url + LLAMA.url, json=body, timeout=60).text.split("\n\n") if frame
    ]
    assert len(frames) >= 3
    assert all(frame.startswith("data: {") for frame in frames)


def test_configuration_is_shown_without_its_secrets(tmp_path: Path) -> None:
    secrets = {
        "CONCORDAT_DATABASE_URL": "postgresql://me:hunter-two@db.example/concordat",
        "OPENAI_API_KEY": "sk-hunter-three-0123456789",
    }
    server = LiveServer(tmp_path, secrets)
    for options in ([], ["--json"]):
        shown = server.cli("config", *options)
        assert shown.returncode == 0
        assert "CONCORDAT_BOOTSTRAP_ADMIN_TOKEN" in shown.stdout
        for secret in ("hunter", server.key, server.admin_token):
            assert secret not in shown.stdout + shown.stderr


def test_only_a_trusted_proxy_says_how_it_was_asked(stranger: httpx.Client, tmp_path: Path) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "Host": "ai.example.org"}
    setup = stranger.get("/ipop/v1/ready", headers=forwarded).json()["setup"]
    assert "http://ai.example.org/ipop/v1" in setup["env"]
    with running(tmp_path, "--proxy-headers") as server, speaking(server) as client:
        setup = client.get("/ipop/v1/ready", headers=forwarded).json()["setup"]
        assert "https://ai.example.org/ipop/v1" in setup["env"]
