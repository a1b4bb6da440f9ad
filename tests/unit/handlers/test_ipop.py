from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest

from codegen.generated.ipop.routes import ModelsGetParams, ModelsListParams, ReadyGetParams, StatusGetParams
from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder
from handlers.core.errors import Forbidden, Invalid, NotFound, Unavailable
from handlers.core.services import Services
from handlers.ipop.chat import chat_completions_create
from handlers.ipop.document import openapi_get
from handlers.ipop.models import models_get, models_list
from handlers.ipop.status import ready_get, status_get
from providers import errors as vendor_errors
from providers.inference.interface import ChatRequest, Completion
from providers.outbound import Outbound
from tests.unit.core.vendors import Vendor
from tests.unit.handlers.bench import (
    FULL,
    always,
    body_of,
    check_answer,
    events_of,
    frames_of,
    make_call,
    make_services,
    resolves_to,
    said,
    streamed_message,
)

CREATE = "POST /chat/completions"


async def ask(call: Call | None = None, **data: Any) -> Any:
    body = {"model": "openai/gpt-5.5", "messages": said("hi")} | data
    return await chat_completions_create(body_of(body), call or make_call("ipop"))


def keyless() -> Services:
    """Production without a single vendor key."""
    return make_services(profile="production", inference={})


async def test_a_whole_answer_carries_the_platforms_own_account() -> None:
    reply = await ask()
    content = check_answer("ipop", CREATE, reply)
    usage = content["usage"]
    assert content["ipop"] == {
        "request_id": "req-1",
        "latency_ms": 250,
        "cost_usd": (usage["prompt_tokens"] * 5 + usage["completion_tokens"] * 30) / 1_000_000,
        "cache_hit": False,
        "fallback_used": False,
        "fallback_count": 0,
        "route_class": "ipop_network",
        "region": "here",
    }
    assert reply.headers == {"X-Concordat-Provider": "simulator"}


async def test_whole_and_streamed_give_the_same_message_and_cost() -> None:
    whole = check_answer("ipop", CREATE, await ask())
    events = events_of(await frames_of(await ask(stream=True, stream_options={"include_usage": True})))
    assert streamed_message(events)["content"] == whole["choices"][0]["message"]["content"]
    assert events[-1] == "[DONE]"
    assert events[-2]["usage"] == whole["usage"]
    assert events[-2]["ipop"] == whole["ipop"]


async def test_the_service_tier_decides_the_price() -> None:
    standard = check_answer("ipop", CREATE, await ask(service_tier="standard"))["ipop"]["cost_usd"]
    priority = check_answer("ipop", CREATE, await ask(service_tier="priority"))["ipop"]["cost_usd"]
    in_metadata = check_answer("ipop", CREATE, await ask(metadata={"service_tier": "priority"}))["ipop"]["cost_usd"]
    assert priority == in_metadata == 2 * standard


async def test_the_smaller_of_two_limits_on_the_answer_holds() -> None:
    short = check_answer("ipop", CREATE, await ask(max_tokens=50, metadata={"max_output_tokens": 2}))
    assert short["usage"]["completion_tokens"] == 2
    assert short["choices"][0]["finish_reason"] == "length"
    limits: dict[str, Any] = {"max_tokens": 50, "max_completion_tokens": 60, "metadata": {"max_output_tokens": 2}}
    assert check_answer("ipop", CREATE, await ask(**limits))["usage"]["completion_tokens"] == 2


async def test_an_answer_stops_where_the_money_ends() -> None:
    cheap = check_answer("ipop", CREATE, await ask(metadata={"max_cost_usd": 0.0002}))
    assert cheap["choices"][0]["finish_reason"] == "length"
    assert 0 < cheap["ipop"]["cost_usd"] <= 0.0002


@pytest.mark.parametrize("max_cost_usd", [100, 1e300])
async def test_money_that_no_answer_can_cost_limits_nothing(max_cost_usd: float) -> None:
    vendor = Vendor("openai")
    call = make_call("ipop", make_services(vendor))
    body = {"model": "openai/gpt-5.5", "messages": said("hi"), "metadata": {"max_cost_usd": max_cost_usd}}
    await chat_completions_create(body_of(body), call)
    assert "max_completion_tokens" not in vendor.asked[0].options


@pytest.mark.parametrize(
    ("data", "error", "code"),
    [
        ({"metadata": {"max_cost_usd": 0.00001}}, Invalid, "max_cost_exceeded"),
        ({"metadata": {"max_cost_usd": 0.0002}, "max_tokens": 400}, Invalid, "max_cost_exceeded"),
        ({"metadata": {"byok_fallback_policy": "byok_only"}}, Forbidden, "policy_violation"),
        ({"metadata": {"tool_schema_policy": "hash_reference"}}, NotFound, "tool_schema_not_found"),
        ({"tools": [{"type": "file_search"}]}, Invalid, "invalid_request"),
        ({"tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}}}, Invalid, "invalid_request"),
        ({"response_format": {"type": "json_schema"}}, Invalid, "invalid_request"),
        ({"response_format": {"type": "yaml"}}, Invalid, "invalid_request"),
        (
            {"model": "plain-1", "response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
            Invalid,
            "model_does_not_support_json_schema",
        ),
        (
            {
                "model": "plain-1",
                "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}],
            },
            Invalid,
            "model_does_not_support_vision",
        ),
        ({"messages": said("word " * 3000)}, Invalid, "context_length_exceeded"),
        ({"model": "gone"}, NotFound, "model_not_found"),
    ],
)
async def test_what_cannot_be_done_is_refused(data: dict[str, Any], error: type[Exception], code: str) -> None:
    with pytest.raises(error) as caught:
        await ask(**data)
    assert getattr(caught.value, "code", None) == code


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"messages": [{}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": ["bare"]}]}, "messages[0]"),
        ({"messages": [*said("hi"), {"role": "assistant", "tool_calls": [5]}]}, "messages[1]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}, "messages[0]"),
        ({"stop": 5}, "stop"),
        ({"n": "two"}, "n"),
        ({"n": True}, "n"),
        ({"modalities": "text"}, "modalities"),
        ({"top_logprobs": -1}, "top_logprobs"),
        ({"seed": "x"}, "seed"),
        ({"response_format": "json"}, "response_format"),
    ],
)
async def test_what_the_document_leaves_open_is_still_refused_when_it_makes_no_sense(
    data: dict[str, Any], param: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await ask(**data)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://2130706433/x.png", "http://[::1]/x", "file:///etc/passwd"]
)
async def test_a_picture_inside_our_network_is_nobodys_to_fetch(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        await ask(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}])
    assert caught.value.code == "address_not_allowed"


async def test_a_picture_whose_host_resolves_into_our_network_is_refused() -> None:
    services = make_services(addresses=Outbound(resolve=resolves_to("8.8.8.8", "10.0.0.1")))
    parts = [{"type": "image_url", "image_url": {"url": "https://inside.example/x.png"}}]
    with pytest.raises(Invalid, match="public internet"):
        await ask(make_call("ipop", services), messages=[{"role": "user", "content": parts}])


async def test_an_image_is_passed_to_a_model_that_sees() -> None:
    parts = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    content = check_answer("ipop", CREATE, await ask(messages=[{"role": "user", "content": parts}]))
    assert "[image]" in content["choices"][0]["message"]["content"]


async def test_a_model_without_a_vendor_is_unavailable() -> None:
    with pytest.raises(Unavailable) as caught:
        await ask(make_call("ipop", keyless()))
    assert caught.value.code == "model_unavailable"


async def test_models_are_listed_to_everybody_with_groups() -> None:
    call = replace(make_call("ipop"), who=None)
    listed = check_answer("ipop", "GET /models", await models_list(ModelsListParams(), call))
    assert listed["data"][0]["id"] == "openai/gpt-5.5"
    groups = {group["id"]: group["model_ids"] for group in listed["groups"]}
    assert groups == {
        "recommended": ["openai/gpt-5.5"],
        "tier_1": ["plain-1"],
        "embeddings": ["local/all-minilm-l6-v2"],
    }


@pytest.mark.parametrize(
    ("include_unavailable", "ready", "count"), [(False, False, 1), (True, False, 4), (True, True, 1), (False, True, 1)]
)
async def test_unusable_models_are_listed_only_when_asked_for(
    include_unavailable: bool, ready: bool, count: int
) -> None:
    call = make_call("ipop", keyless())
    asked = {"include_unavailable": include_unavailable, "ready": ready}
    listed = check_answer("ipop", "GET /models", await models_list(ModelsListParams(**asked), call))
    status = check_answer("ipop", "GET /status", await status_get(StatusGetParams(**asked), call))
    readiness = check_answer("ipop", "GET /ready", await ready_get(ReadyGetParams(**asked), call))
    assert len(listed["data"]) == len(status["models"]) == len(readiness["models"]) == count


async def test_one_model_with_its_prices_per_token() -> None:
    params = ModelsGetParams(model_id="openai/gpt-5.5")
    model = check_answer("ipop", "GET /models/{model_id}", await models_get(params, make_call("ipop")))
    assert model["available"] is True
    assert (model["input_token_rate"], model["output_token_rate"]) == (5e-06, 3e-05)
    assert [card["service_tier"] for card in model["price_cards"]] == ["standard", "priority"]
    assert {card["provider_model_id"] for card in model["price_cards"]} == {"gpt-5.5"}


async def test_a_model_that_cannot_be_used_is_shown_only_when_asked_for() -> None:
    call = make_call("ipop", keyless())
    with pytest.raises(Unavailable):
        await models_get(ModelsGetParams(model_id="openai/gpt-5.5"), call)
    shown = await models_get(ModelsGetParams(model_id="openai/gpt-5.5", include_unavailable=True), call)
    assert check_answer("ipop", "GET /models/{model_id}", shown)["status"] == "not_enabled"


async def test_a_model_that_is_not_there_is_not_found() -> None:
    params = ModelsGetParams(model_id="openai/gpt-5.5")
    with pytest.raises(NotFound):
        await models_get(replace(params, model_id="nobody/nothing"), make_call("ipop"))


async def test_status_is_computed_from_the_catalog_and_storage() -> None:
    async def overall(services: Services) -> str:
        content = await status_get(StatusGetParams(), make_call("ipop", services))
        return str(check_answer("ipop", "GET /status", content)["status"])

    assert await overall(make_services()) == "available"
    assert await overall(make_services(ready=always(False))) == "degraded"
    assert await overall(keyless()) == "degraded"
    assert (
        await overall(make_services(profile="production", inference={}, embedded=frozenset(), embeddings={}))
        == "not_enabled"
    )


async def test_readiness_recommends_a_model_and_says_how_to_check() -> None:
    content = check_answer("ipop", "GET /ready", await ready_get(ReadyGetParams(), make_call("ipop")))
    assert content["ready"] is True
    assert content["recommended_model_id"] == "openai/gpt-5.5"
    assert "http://here:8321/ipop/v1" in content["setup"]["env"]
    assert '"model": "openai/gpt-5.5"' in content["setup"]["chat_check"]


async def test_lines_to_copy_into_a_shell_hold_no_commands_of_others() -> None:
    call = make_call("ipop")
    strange = replace(call, headers={"host": "$(id)", "x-forwarded-proto": "$(id)"}, scheme="https")
    setup = check_answer("ipop", "GET /ready", await ready_get(ReadyGetParams(), strange))["setup"]
    assert "https://localhost/ipop/v1" in setup["env"]
    quoted = make_services(catalog=CatalogHolder(Catalog([replace(FULL, id="a'$(id)'")])))
    setup = (await ready_get(ReadyGetParams(), make_call("ipop", quoted)))["setup"]
    assert """'{"model": "a'"'"'$(id)'"'"'",""" in setup["chat_check"]


async def test_nothing_is_ready_where_nothing_can_chat() -> None:
    content = check_answer("ipop", "GET /ready", await ready_get(ReadyGetParams(), make_call("ipop", keyless())))
    assert content["ready"] is False
    assert "recommended_model_id" not in content


async def test_the_document_is_served_as_it_is_mounted() -> None:
    reply = await openapi_get(make_call("ipop"))
    assert reply.content == b'{"openapi": "3.1.0"}'
    assert reply.media_type == "application/json"


async def test_a_model_is_degraded_while_a_deployment_of_it_keeps_failing() -> None:
    services = make_services(Vendor("openai"), Vendor("openrouter"))
    for _ in range(5):
        services.breakers.fail(FULL.deployments[0])
    content = check_answer("ipop", "GET /status", await status_get(StatusGetParams(), make_call("ipop", services)))
    assert content["status"] == "degraded"
    states = {model["id"]: model["status"] for model in content["models"]}
    assert (states[FULL.id], states["simulator/chat"]) == ("degraded", "available")


def two() -> tuple[Vendor, Vendor]:
    return Vendor("openai"), Vendor("openrouter")


async def ask_with(metadata: dict[str, Any], *vendors: Vendor, **changes: Any) -> Any:
    call = make_call("ipop", make_services(*vendors, random=lambda: 0.5, **changes))
    return check_answer("ipop", CREATE, await ask(call, metadata=metadata))["ipop"]


async def test_a_fallback_shows_in_the_account() -> None:
    first, second = two()
    first.failure = vendor_errors.Unavailable("down")
    account = await ask_with({}, first, second)
    assert (account["fallback_used"], account["fallback_count"]) == (True, 1)
    assert account["route_class"] == "external_capacity"


async def test_without_external_fallback_only_the_first_choice_is_asked() -> None:
    first, second = two()
    first.failure = vendor_errors.Unavailable("down")
    with pytest.raises(Unavailable):
        await ask_with({"disable_external_fallback": True}, first, second)
    assert second.asked == []


async def test_a_hedged_request_is_answered_by_whoever_is_quicker_and_billed_once() -> None:
    first, second = Silent("openai"), Vendor("openrouter")
    account = await ask_with({"hedge_after_ms": 50}, first, second)
    assert (account["fallback_used"], account["fallback_count"]) == (True, 1)
    assert account["cost_usd"] == (6 * 5 + 4 * 0.5 + 20 * 30) / 1_000_000
    assert first.cancelled


@dataclass
class Silent(Vendor):
    cancelled: bool = False

    async def chat(self, request: ChatRequest) -> Completion:
        try:
            return await asyncio.Future()
        finally:
            self.cancelled = True


async def test_hedging_before_the_request_is_refused() -> None:
    with pytest.raises(Invalid):
        await ask(metadata={"hedge_after_ms": -1})


@pytest.mark.parametrize(
    ("metadata", "hit"),
    [
        ({"cache_mode": "aggressive"}, True),
        ({"cache_mode": "aggressive", "contains_pii": True}, False),
        ({"cache_mode": "aggressive", "sensitive": True}, False),
        ({"cache_mode": "default"}, False),
        ({"cache_mode": "bypass"}, False),
    ],
)
async def test_a_hit_of_the_cache_shows_in_the_account(metadata: dict[str, Any], hit: bool) -> None:
    services = make_services(Vendor("openai"))
    for _ in range(2):
        reply = await ask(make_call("ipop", services), metadata=metadata)
    account = check_answer("ipop", CREATE, reply)["ipop"]
    assert account["cache_hit"] is hit
    assert account["route_class"] == ("cache" if hit else "external_capacity")
    assert (account["cost_usd"] == 0) is hit


async def test_the_way_of_a_request_is_left_out_of_its_account_on_request() -> None:
    account = await ask_with({"include_route_metadata": False})
    assert account.keys() == {"request_id", "latency_ms", "cost_usd", "cache_hit"}


async def test_a_stream_ends_with_its_account_on_request() -> None:
    *_, closing, done = events_of(await frames_of(await ask(stream=True, metadata={"include_route_metadata": True})))
    assert done == "[DONE]"
    assert closing["ipop"]["route_class"] == "ipop_network"


@pytest.mark.parametrize(("wish", "outlived"), [({}, 0), ({"client_disconnect_cancel": True}, 0), (
    {"client_disconnect_cancel": False}, 1)])  # fmt: skip
async def test_a_request_may_go_on_without_its_client(wish: dict[str, Any], outlived: int) -> None:
    told: list[bool] = []
    call = replace(make_call("ipop"), outlive_client=lambda: told.append(True))
    await frames_of(await ask(call, metadata=wish, stream=True))
    assert len(told) == outlived


async def test_the_service_tier_picks_the_price() -> None:
    usage = 6 * 10 + 4 * 10 + 20 * 60
    account = await ask_with({"service_tier": "priority"}, Vendor("openai"))
    assert account["cost_usd"] == usage / 1_000_000
