from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from codegen.generated.maniac.routes import ModelsListParams
from handlers.core.catalog import Catalog, CatalogHolder
from handlers.core.errors import Forbidden, Invalid, NotFound, RateLimited, Unavailable
from handlers.maniac.chat import chat_completions_create
from handlers.maniac.health import healthz_get
from handlers.maniac.models import models_list
from handlers.wire.reply import Reply
from tests.unit.handlers.bench import (
    FULL,
    always,
    body_of,
    check_answer,
    events_of,
    frames_of,
    make_call,
    make_services,
    said,
    streamed_message,
)

CREATE = "POST /v1/chat/completions"
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def ask(**data: Any) -> Any:
    body = {"model": "openai/gpt-5.5", "messages": said("hi")} | data
    return await chat_completions_create(body_of(body), make_call("maniac"))


async def test_a_whole_answer_is_what_the_document_says_and_names_who_answered() -> None:
    reply = await ask()
    content = check_answer("maniac", CREATE, reply)
    assert content["model"] == "openai/gpt-5.5"
    assert content["provider"] == "simulator"
    assert content["usage"]["total_tokens"] == content["usage"]["prompt_tokens"] + content["usage"]["completion_tokens"]
    assert reply.headers == {"X-Concordat-Provider": "simulator"}


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"tools": [TOOL], "tool_choice": "required"},
        {"reasoning": {"effort": "high"}},
        {"max_tokens": 3.0},
        {"response_format": {"type": "json_object"}},
    ],
    ids=["text", "tool", "reasoning", "cut", "json"],
)
async def test_whole_and_streamed_give_the_same_message(extra: dict[str, Any]) -> None:
    whole = check_answer("maniac", CREATE, await ask(**extra))["choices"][0]
    streamed = streamed_message(events_of(await frames_of(await ask(stream=True, **extra))))
    message = whole["message"]
    assert streamed["content"] == (message["content"] or "")
    assert streamed["reasoning"] == message.get("reasoning_content", "")
    assert list(streamed["calls"].values()) == [call["function"] for call in message.get("tool_calls", [])]
    assert streamed["finish_reason"] == whole["finish_reason"]


async def test_a_stream_is_chunks_of_the_public_model_and_done() -> None:
    stream = await ask(stream=True)
    events = events_of(await frames_of(stream))
    assert stream.headers == {"X-Concordat-Provider": "simulator"}
    assert events[-1] == "[DONE]"
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert {event["model"] for event in events[:-1]} == {"openai/gpt-5.5"}
    assert {event["object"] for event in events[:-1]} == {"chat.completion.chunk"}
    assert len({event["id"] for event in events[:-1]}) == 1
    assert not any("usage" in event for event in events[:-1])


async def test_usage_comes_last_in_a_stream_that_asks_for_it() -> None:
    whole = check_answer("maniac", CREATE, await ask())
    events = events_of(await frames_of(await ask(stream=True, stream_options={"include_usage": True})))
    assert events[-2]["choices"] == []
    assert events[-2]["usage"] == whole["usage"]


async def test_a_colon_in_a_model_id_is_a_slash() -> None:
    content = check_answer("maniac", CREATE, await ask(model="openai:gpt-5.5"))
    assert content["model"] == "openai/gpt-5.5"


async def test_a_model_that_fails_gives_way_to_the_fallbacks() -> None:
    content = check_answer("maniac", CREATE, await ask(model="simulator/error-503", models=["plain-1"]))
    assert content["model"] == "plain-1"
    events = events_of(await frames_of(await ask(model="simulator/error-503", models=["plain-1"], stream=True)))
    assert events[0]["model"] == "plain-1"


async def test_reasoning_stays_inside_when_it_is_excluded() -> None:
    reasoning = {"effort": "high", "exclude": True}
    content = check_answer("maniac", CREATE, await ask(reasoning=reasoning))
    assert content["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert "reasoning_content" not in content["choices"][0]["message"]
    events = events_of(await frames_of(await ask(reasoning=reasoning, stream=True)))
    assert streamed_message(events)["reasoning"] == ""


async def test_a_type_that_is_left_out_is_the_documents_default() -> None:
    untyped = {"tools": [{"function": TOOL["function"]}], "tool_choice": {"function": {"name": "weather"}}}
    content = check_answer("maniac", CREATE, await ask(**untyped))
    assert content["choices"][0]["finish_reason"] == "tool_calls"
    parts = [{"text": "look"}, {"image_url": {"url": "https://x/y.png"}}]
    content = check_answer("maniac", CREATE, await ask(messages=[{"role": "user", "content": parts, "name": None}]))
    assert "look [image]" in content["choices"][0]["message"]["content"]
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"json_schema": {"name": "answer", "schema": schema}}
    content = check_answer("maniac", CREATE, await ask(response_format=wanted))
    assert "n" in orjson.loads(content["choices"][0]["message"]["content"])


async def test_what_a_client_tells_about_its_request_is_recorded_not_sent() -> None:
    call = make_call("maniac")
    data = {"metadata": {"team": "a"}, "tags": ["t"], "store": False, "trace": {"id": "x"}}
    await chat_completions_create(body_of({"model": "plain-1", "messages": said("hi")} | data), call)
    assert call.record.metadata == data


@pytest.mark.parametrize(
    ("data", "error", "code"),
    [
        ({"model": "nobody/nothing"}, NotFound, "model_not_found"),
        ({"model": "maniac:support"}, NotFound, "container_not_found"),
        ({"model": "maniac/support"}, NotFound, "container_not_found"),
        ({"model": "simulator/a\0b"}, NotFound, "model_not_found"),
        ({"metadata": {"a": ["b\0"]}}, Invalid, "invalid_request"),
        ({"metadata": {"a\0": 1}}, Invalid, "invalid_request"),
        ({"tags": ["\0"]}, Invalid, "invalid_request"),
        ({"model": None}, Invalid, "invalid_request"),
        ({"messages": []}, Invalid, "invalid_request"),
        ({"max_tokens": 1.5}, Invalid, "invalid_request"),
        ({"max_tokens": 0}, Invalid, "invalid_request"),
        ({"model": "local/all-minilm-l6-v2"}, Invalid, "model_does_not_support_chat"),
        ({"model": "plain-1", "tools": [TOOL]}, Invalid, "model_does_not_support_tools"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            NotFound,
            "file_not_found",
        ),
        ({"modalities": ["text", "audio"]}, Invalid, "model_does_not_support_audio"),
        ({"model": "simulator/error-429"}, RateLimited, "rate_limit_exceeded"),
        ({"model": "simulator/error-503"}, Unavailable, "upstream_unavailable"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_be_answered_is_refused_before_the_first_byte(
    data: dict[str, Any], error: type[Exception], code: str, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        await ask(stream=stream, **data)
    assert getattr(caught.value, "code", None) == code


async def test_a_key_limited_to_models_sees_and_uses_only_those() -> None:
    call = make_call("maniac", models=frozenset({"plain-1"}))
    listed = check_answer("maniac", "GET /v1/models", await models_list(ModelsListParams(), call))
    assert [model["id"] for model in listed["data"]] == ["plain-1"]
    with pytest.raises(Forbidden) as caught:
        await chat_completions_create(body_of({"model": "openai/gpt-5.5", "messages": said("hi")}), call)
    assert caught.value.code == "model_not_allowed"


async def test_models_are_listed_newest_first_in_pages_with_an_exact_total() -> None:
    call = make_call("maniac")
    first = check_answer("maniac", "GET /v1/models", await models_list(ModelsListParams(limit=2), call))
    rest = check_answer("maniac", "GET /v1/models", await models_list(ModelsListParams(limit=9, offset=2), call))
    ids = [model["id"] for model in first["data"] + rest["data"]]
    assert ids == ["openai/gpt-5.5", "plain-1", "simulator/chat", "local/all-minilm-l6-v2"]
    assert first["total"] == rest["total"] == 4


async def test_a_model_tells_its_price_per_token_without_exponents() -> None:
    cheap = replace(FULL.prices[0], input_usd=FULL.prices[0].input_usd / 1000)
    services = make_services(catalog=CatalogHolder(Catalog([replace(FULL, prices=(cheap,))])))
    listed = check_answer(
        "maniac", "GET /v1/models", await models_list(ModelsListParams(), make_call("maniac", services))
    )
    pricing = {"prompt": "0.000000005", "completion": "0.00003", "input_cache_read": "0.0000005"}
    assert listed["data"][0]["pricing"] == pricing
    assert listed["data"][0]["supported_apis"] == ["chat.completions", "completions"]


async def test_models_of_a_container_that_is_not_there_are_not_found() -> None:
    with pytest.raises(NotFound):
        await models_list(ModelsListParams(container="support"), make_call("maniac"))


async def test_production_lists_only_models_with_a_configured_vendor() -> None:
    services = make_services(profile="production", inference={})
    listed = check_answer(
        "maniac", "GET /v1/models", await models_list(ModelsListParams(), make_call("maniac", services))
    )
    assert [model["id"] for model in listed["data"]] == ["local/all-minilm-l6-v2"]


async def test_health_is_what_storage_says() -> None:
    assert check_answer("maniac", "GET /healthz", await healthz_get(make_call("maniac"))) == {"ok": True}
    with pytest.raises(Unavailable):
        await healthz_get(make_call("maniac", make_services(ready=always(False))))


async def test_an_answer_is_a_reply_only_when_it_is_whole() -> None:
    assert isinstance(await ask(stream=None), Reply)
