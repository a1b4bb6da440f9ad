"""A coding agent finds out what there is, loads its configuration and works with it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yaml

from tests.journeys.dialects import IPOP, USER, openai_text
from tests.journeys.test_errors import check
from tests.live import LiveServer


def settings_of(client: str, config: dict[str, Any]) -> tuple[str, str, str]:
    """Base URL, key and model as the client would read them."""
    if client == "opencode":
        provider_id, _, model = config["model"].partition("/")
        provider = config["provider"][provider_id]
        assert provider["npm"] == "@ai-sdk/openai-compatible"
        assert model in provider["models"]
        return provider["options"]["baseURL"], provider["options"]["apiKey"], model
    model = config["model"]
    assert model["provider"] == "custom"
    return model["base_url"], model["api_key"], model["default"]


@pytest.mark.parametrize("name", ["opencode", "hermes"])
def test_a_configuration_works_as_it_comes(client: httpx.Client, name: str) -> None:
    entry = next(e for e in client.get("/ipop/v1/agent-capabilities").json()["client_configs"] if e["client"] == name)
    answer = client.get(entry["config_url"])
    loaded = yaml.safe_load(answer.text)["config"]
    base_url, key, model = settings_of(name, loaded)
    body = {"model": model, "messages": USER}
    chat = httpx.post(f"{base_url}/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=60)
    assert openai_text(chat.json())
    checked = client.get(answer.json()["validation"]["freshness_url"]).json()
    assert (checked["client"], checked["fresh"]) == (name, True)
    stale = client.get(entry["freshness_url"], params={"fingerprint": "sha256:0"}).json()
    assert (stale["fresh"], stale["refresh_recommended"]) == (False, True)
    check(IPOP, client.get(entry["freshness_url"]), 400)


@pytest.mark.parametrize("name", ["opencode", "hermes"])
def test_a_redacted_configuration_can_be_shared(client: httpx.Client, server: LiveServer, name: str) -> None:
    answer = client.get(f"/ipop/v1/client-config/{name}", params={"redact_secrets": "true"})
    assert server.key not in answer.text
    assert "IPOP_API_KEY" in settings_of(name, answer.json()["config"])[1]


def test_agents_need_a_key(stranger: httpx.Client) -> None:
    for path in ("agent-capabilities", "client-config/opencode", "client-config/hermes/freshness?fingerprint=x"):
        check(IPOP, stranger.get(f"/ipop/v1/{path}"), 401)


def test_capabilities_lead_to_what_answers(client: httpx.Client) -> None:
    told = client.get("/ipop/v1/agent-capabilities").json()
    models = {model["id"] for model in client.get(told["urls"]["models"]).json()["data"]}
    assert told["default_model_id"] in told["model_ids"]
    assert set(told["model_ids"]) <= models
    again = client.get("/ipop/v1/agent-capabilities").json()
    assert again["capability_fingerprint"] == told["capability_fingerprint"]
