"""What IPOP says before anything is asked of a model: what it would cost, and which one to take."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from handlers.core.call import Call
from handlers.core.catalog import Catalog, CatalogHolder, Deployment, Model, Price
from handlers.core.errors import Forbidden, Invalid, NotFound
from handlers.core.services import Services
from handlers.ipop.chat import chat_completions_create
from handlers.ipop.estimates import estimates_create
from handlers.ipop.models import model_recommendations_create
from providers import tokens
from tests.unit.handlers.bench import (
    EMBEDDER,
    FULL,
    PLAIN,
    SIMULATED,
    body_of,
    check_answer,
    make_call,
    make_services,
    said,
)

BANDED = replace(
    FULL,
    id="banded",
    context_tokens=100_000,
    prices=(
        Price("openai", Decimal(3), Decimal(15), Decimal("0.3")),
        Price("openai", Decimal(6), Decimal("22.5"), context_band="long", threshold_tokens=1000),
    ),
    deployments=(Deployment("openai", "gpt-banded"),),
)


def advised(*models: Model, **changes: Any) -> Services:
    catalog = CatalogHolder(Catalog(models or [FULL, PLAIN, SIMULATED, EMBEDDER, BANDED]))
    return make_services(catalog=catalog, **changes)


async def estimate(call: Call | None = None, **data: Any) -> dict[str, Any]:
    answer = await estimates_create(body_of({"model": "openai/gpt-5.5"} | data), call or make_call("ipop", advised()))
    content: dict[str, Any] = check_answer("ipop", "POST /estimate", answer)
    return content


async def test_an_estimate_is_what_the_chat_then_costs() -> None:
    found = await estimate(messages=said("hi"), max_tokens=4)
    reply = await chat_completions_create(
        body_of({"model": "openai/gpt-5.5", "messages": said("hi"), "max_tokens": 4}), make_call("ipop", advised())
    )
    answered = check_answer("ipop", "POST /chat/completions", reply)
    assert answered["usage"]["completion_tokens"] == 4
    assert found["estimated_prompt_tokens"] == answered["usage"]["prompt_tokens"]
    assert found["estimated_cost_usd"] == answered["ipop"]["cost_usd"]
    assert found["estimated_total_tokens"] == answered["usage"]["total_tokens"]


async def test_an_estimate_tells_its_rates() -> None:
    found = await estimate(messages=said("hi"), max_completion_tokens=10)
    prompt = await tokens.count_chat(said("hi"))
    cost = float((prompt * Decimal(5) + 10 * Decimal(30)) / 1_000_000)
    assert found["pricing"] == {
        "provider": "openai",
        "public_model_id": "openai/gpt-5.5",
        "provider_model_id": "openai/gpt-5.5",
        "context_band": "short",
        "service_tier": "standard",
        "input_token_rate": 0.000005,
        "output_token_rate": 0.00003,
        "cached_input_token_rate": 0.0000005,
        "uncached_input_tokens": prompt,
        "cached_input_tokens": 0,
        "output_tokens": 10,
        "reasoning_tokens": 0,
        "cost_usd": cost,
    }
    assert found["ipop"]["cost_usd"] == 0
    assert found["ipop"]["estimated_cost_usd"] == found["estimated_cost_usd"] == cost
    assert (found["kind"], found["max_input_tokens"], found["max_output_tokens"]) == ("chat", 1000, 500)


async def test_a_long_prompt_is_priced_by_the_long_card() -> None:
    short = await estimate(model="banded", input="word " * 900, max_tokens=10)
    long = await estimate(model="banded", input="word " * 1100, max_tokens=10)
    assert [short["pricing"]["context_band"], long["pricing"]["context_band"]] == ["short", "long"]
    expected = (Decimal(long["estimated_prompt_tokens"]) * 6 + 10 * Decimal("22.5")) / 1_000_000
    assert long["estimated_cost_usd"] == float(expected)


async def test_the_priority_tier_has_its_own_rates_where_the_catalog_has_them() -> None:
    wishes = {"service_tier": "priority"}
    found = await estimate(messages=said("hi"), metadata=wishes)
    assert (found["pricing"]["service_tier"], found["input_token_rate"]) == ("priority", 0.00001)
    other = await estimate(model="banded", messages=said("hi"), metadata=wishes)
    assert other["pricing"]["service_tier"] == "standard"
    assert any("priority" in warning for warning in other["warnings"])


async def test_the_smallest_limit_on_the_answer_holds() -> None:
    found = await estimate(
        messages=said("hi"), max_tokens=50, max_completion_tokens=40, metadata={"max_output_tokens": 30}
    )
    assert found["estimated_completion_tokens"] == 30
    with pytest.raises(Invalid):
        await estimate(messages=said("hi"), metadata={"max_output_tokens": 0})


@pytest.mark.parametrize("limit", [501, 10**18, 1e30])
async def test_no_answer_is_longer_than_the_model_writes(limit: float) -> None:
    found = await estimate(messages=said("hi"), max_tokens=limit)
    assert found["estimated_completion_tokens"] == 500
    assert any("at most 500" in warning for warning in found["warnings"])


async def test_an_answer_without_a_limit_is_assumed_and_said_so() -> None:
    found = await estimate(messages=said("hi"))
    assert found["estimated_completion_tokens"] == found["estimated_prompt_tokens"] + 64
    assert any("no limit" in warning for warning in found["warnings"])


async def test_texts_and_messages_are_one_prompt() -> None:
    both = await estimate(messages=said("hi"), input=["you", "there"])
    apart = [{"role": "user", "content": text} for text in ("hi", "you", "there")]
    assert both["estimated_prompt_tokens"] == (await estimate(messages=apart))["estimated_prompt_tokens"]


async def test_a_request_that_does_not_fit_is_told_so() -> None:
    found = await estimate(input="word " * 1200, max_tokens=5)
    assert found["within_context_window"] is False
    assert (await estimate(input="word", max_tokens=5))["within_context_window"] is True


async def test_embeddings_are_counted_by_the_models_own_vocabulary() -> None:
    found = await estimate(model=EMBEDDER.id, input=["hello world", "hello"])
    assert (found["kind"], found["estimated_prompt_tokens"], found["estimated_completion_tokens"]) == (
        "embeddings",
        7,
        0,
    )
    assert "pricing" not in found
    assert any("no price" in warning for warning in found["warnings"])
    assert found["within_context_window"] is True
    many = await estimate(model=EMBEDDER.id, input=["word " * 300] * 2)
    assert many["within_context_window"] is True
    one = await estimate(model=EMBEDDER.id, input="word " * 600)
    assert one["within_context_window"] is False


async def test_what_cannot_be_estimated_is_refused() -> None:
    with pytest.raises(NotFound):
        await estimate(model="nobody", messages=said("hi"))
    with pytest.raises(Invalid):
        await estimate(model=EMBEDDER.id, messages=said("hi"))
    with pytest.raises(Forbidden):
        await estimate(make_call("ipop", advised(), models=frozenset({"plain-1"})), messages=said("hi"))


async def test_an_estimate_says_what_stands_against_the_request() -> None:
    call = make_call("ipop", advised(profile="production", inference={}))
    found = await estimate(call, metadata={"max_cost_usd": 0.0000001}, max_tokens=5)
    text = " ".join(found["warnings"])
    assert found["estimated_prompt_tokens"] == 0
    assert "neither messages nor input" in text
    assert "no provider" in text
    assert "more than max_cost_usd" in text


def model(name: str, output_usd: str | None, **more: Any) -> Model:
    prices = () if output_usd is None else (Price("openai", Decimal(1), Decimal(output_usd)),)
    given: dict[str, Any] = {"tier": "tier_1", "recommended_for": (), "display_name": name.title()} | more
    return replace(FULL, id=name, prices=prices, deployments=(Deployment("openai", name),), **given)


PLAIN_CAPABILITIES = frozenset({"chat", "streaming"})
SHELF = (
    model("cheap", "1", latency_class="low", capabilities=PLAIN_CAPABILITIES),
    model("middle", "10", context_tokens=50_000),
    model("dear", "100", latency_class="deep", recommended_for=("writing",)),
    model("coder", "10", recommended_for=("coding",)),
    model("unpriced", None, capabilities=PLAIN_CAPABILITIES),
    SIMULATED,
    EMBEDDER,
)


async def recommend(services: Services | None = None, **data: Any) -> list[dict[str, Any]]:
    call = replace(make_call("ipop", services or advised(*SHELF)), who=None)
    answer = await model_recommendations_create(body_of(data), call)
    content = check_answer("ipop", "POST /model-recommendations", answer)
    assert [one["score"] for one in content["recommendations"]] == sorted(
        (one["score"] for one in content["recommendations"]), reverse=True
    )
    found: list[dict[str, Any]] = content["recommendations"]
    return found


async def names(services: Services | None = None, **data: Any) -> list[str]:
    return [one["model"] for one in await recommend(services, **data)]


async def test_everybody_may_ask_and_nobody_is_recommended_the_simulator() -> None:
    assert sorted(await names()) == ["cheap", "coder", "dear", "middle", "unpriced"]


@pytest.mark.parametrize(
    ("demand", "expected"),
    [
        ({"require_tools": True}, ["coder", "dear", "middle"]),
        ({"require_vision": True, "require_json_schema": True}, ["coder", "dear", "middle"]),
        ({"max_cost_per_million_output_usd": 10}, ["cheap", "coder", "middle"]),
        ({"max_cost_per_million_output_usd": 0.5}, []),
        ({"max_input_tokens": 20_000}, ["middle"]),
        ({"max_input_tokens": 60_000}, []),
        ({"require_tools": False}, ["cheap", "coder", "dear", "middle", "unpriced"]),
    ],
)
async def test_what_is_demanded_decides_who_is_in_the_list(demand: dict[str, Any], expected: list[str]) -> None:
    assert sorted(await names(**demand)) == expected


@pytest.mark.parametrize(
    ("preference", "first"),
    [
        ({"task": "Fix the bug in my program"}, "coder"),
        ({"task": "write an essay"}, "dear"),
        ({"quality_tier": "low_cost"}, "cheap"),
        ({"quality_tier": "premium"}, "dear"),
        ({"prefer_low_latency": True}, "cheap"),
    ],
)
async def test_what_is_preferred_decides_who_is_first(preference: dict[str, Any], first: str) -> None:
    assert (await names(**preference))[0] == first


async def test_embeddings_are_another_task() -> None:
    assert await names(task="Embed my documents") == [EMBEDDER.id]


async def test_models_that_nobody_serves_come_last_and_only_when_wanted() -> None:
    services = advised(*SHELF, profile="production", inference={})
    assert await names(services) == []
    found = await recommend(services, include_unavailable=True, task="coding")
    assert found[0]["model"] == "coder"
    assert (found[0]["available"], found[0]["status"]) == (False, "not_enabled")
    assert "not available" in found[0]["reason"]


async def test_the_reason_says_what_decided() -> None:
    (found,) = await recommend(
        task="coding agent",
        require_tools=True,
        max_input_tokens=900,
        max_cost_per_million_output_usd=12,
        services=advised(model("coder", "10", recommended_for=("coding",))),
    )
    assert found["reason"] == (
        "recommended for coding; supports tools; holds 1000 tokens; "
        "$10 a million output tokens, within the limit of $12; tier 1"
    )
    assert (found["input_token_rate"], found["output_token_rate"]) == (0.000001, 0.00001)
