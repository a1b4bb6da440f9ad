"""What coding agents are told, and the configurations that they load."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codegen.generated.ipop.routes import (
    HermesConfigFreshnessGetParams,
    HermesConfigGetParams,
    OpencodeConfigFreshnessGetParams,
    OpencodeConfigGetParams,
)
from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder
from handlers.core.errors import Unavailable
from handlers.core.services import Route
from handlers.ipop.agents import agent_capabilities_get
from handlers.ipop.client_config import (
    hermes_config_freshness_get,
    hermes_config_get,
    opencode_config_freshness_get,
    opencode_config_get,
)
from tests.unit.handlers.bench import FULL, PLAIN, SIMULATED, check_answer, make_call, make_services

KEY = "ck_presented_by_the_caller"


def keyed_call(**headers: str) -> Call:
    call = make_call("ipop")
    return replace(call, headers={**call.headers, "authorization": f"Bearer {KEY}"} | headers)


async def opencode(call: Call, redact: bool = False) -> Any:
    answer = await opencode_config_get(OpencodeConfigGetParams(redact_secrets=redact), call)
    return check_answer("ipop", "GET /client-config/opencode", answer)


async def hermes(call: Call, redact: bool = False) -> Any:
    answer = await hermes_config_get(HermesConfigGetParams(redact_secrets=redact), call)
    return check_answer("ipop", "GET /client-config/hermes", answer)


async def test_opencode_gets_a_provider_with_the_models_that_an_agent_needs() -> None:
    answer = await opencode(keyed_call())
    config = answer["config"]
    provider = config["provider"]["ipop"]
    assert provider["options"] == {"baseURL": "http://here:8321/ipop/v1", "apiKey": KEY}
    assert list(provider["models"]) == ["openai/gpt-5.5", "simulator/chat"]
    assert provider["models"]["openai/gpt-5.5"] == {
        "name": "GPT-5.5",
        "attachment": True,
        "reasoning": True,
        "tool_call": True,
        "limit": {"context": 1000, "output": 500},
        "cost": {"input": 5.0, "output": 30.0},
    }
    assert config["model"] == "ipop/openai/gpt-5.5"


async def test_hermes_gets_a_custom_provider() -> None:
    model = (await hermes(keyed_call()))["config"]["model"]
    assert model == {
        "default": "openai/gpt-5.5",
        "provider": "custom",
        "base_url": "http://here:8321/ipop/v1",
        "api_key": KEY,
        "context_length": 1000,
    }


@pytest.mark.parametrize("get", [opencode, hermes])
async def test_a_shareable_copy_holds_no_key(get: Any) -> None:
    shared, own = await get(keyed_call(), redact=True), await get(keyed_call())
    assert KEY not in str(shared)
    assert "IPOP_API_KEY" in str(shared["config"])
    assert shared["config"] == shared["redacted_config"] == own["redacted_config"] != own["config"]
    assert shared["validation"] == own["validation"]
    keyless = await get(make_call("ipop"))
    assert keyless["config"] == keyless["redacted_config"]


async def freshness(call: Call, **asked: Any) -> tuple[Any, Any]:
    return (
        check_answer(
            "ipop",
            "GET /client-config/opencode/freshness",
            await opencode_config_freshness_get(OpencodeConfigFreshnessGetParams(**asked), call),
        ),
        check_answer(
            "ipop",
            "GET /client-config/hermes/freshness",
            await hermes_config_freshness_get(HermesConfigFreshnessGetParams(**asked), call),
        ),
    )


async def test_a_configuration_is_fresh_until_the_catalog_or_the_address_changes() -> None:
    call = keyed_call()
    marks = [(await get(call))["validation"]["fingerprint"] for get in (opencode, hermes)]
    for which, mark in enumerate(marks):
        fresh = (await freshness(call, fingerprint=mark))[which]
        assert (fresh["fresh"], fresh["refresh_recommended"]) == (True, False)
        assert (fresh["fingerprint"], fresh["selected_model_id"]) == (mark, "openai/gpt-5.5")
        moved = (await freshness(keyed_call(host="elsewhere:1"), fingerprint=mark))[which]
        smaller = make_call("ipop", make_services(catalog=CatalogHolder(Catalog([SIMULATED]))))
        for stale in (moved, (await freshness(smaller, fingerprint=mark))[which]):
            assert (stale["fresh"], stale["refresh_recommended"]) == (False, True)


async def test_a_chosen_model_that_is_gone_is_not_fresh() -> None:
    call = keyed_call()
    mark = (await opencode(call))["validation"]["fingerprint"]
    kept, _ = await freshness(call, fingerprint=mark, selected_model_id="simulator/chat")
    gone, _ = await freshness(call, fingerprint=mark, selected_model_id="plain-1")
    assert (kept["fresh"], kept["selected_model_id"]) == (True, "simulator/chat")
    assert (gone["fresh"], gone["selected_model_id"]) == (False, "openai/gpt-5.5")


async def test_without_a_model_there_is_nothing_to_configure() -> None:
    call = make_call("ipop", make_services(catalog=CatalogHolder(Catalog([PLAIN]))))
    with pytest.raises(Unavailable):
        await opencode(call)
    answer, _ = await freshness(call, fingerprint="x")
    assert answer["fresh"] is False


async def capabilities(call: Call) -> Any:
    return check_answer("ipop", "GET /agent-capabilities", await agent_capabilities_get(call))


async def test_capabilities_name_only_what_is_there() -> None:
    routes = [Route("POST", "/chat/completions", "chat_completions_create", True)]
    turns = [
        Route("POST", "/agent-turns", "agent_turns_create", True),
        Route("GET", "/agent-turns/{request_id}/events", "agent_turns_events_stream", True),
    ]
    few = await capabilities(make_call("ipop", make_services(routes={"ipop": routes})))
    more = await capabilities(make_call("ipop", make_services(routes={"ipop": [*routes, *turns]})))
    assert few["urls"] == {
        "base": "http://here:8321/ipop/v1",
        "chat_completions": "http://here:8321/ipop/v1/chat/completions",
    }
    assert few["conformance_profiles"] == ["openai_chat_completions"]
    assert (few["default_model_id"], few["model_ids"]) == (FULL.id, [FULL.id, SIMULATED.id])
    assert (few["resumable_turns"]["supported"], more["resumable_turns"]["supported"]) == (False, True)
    assert few["capability_fingerprint"] != more["capability_fingerprint"]
