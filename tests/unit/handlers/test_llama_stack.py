from __future__ import annotations

from typing import Any

import orjson
import pytest

from codegen.generated.llama_stack.routes import ModelsGetParams, ModelsUnregisterParams
from handlers.core.call import Call
from handlers.core.errors import Forbidden, Invalid, NotFound
from handlers.core.services import Services
from handlers.llama_stack.inference import chat_completions_create, completions_create
from handlers.llama_stack.inspect import health_get, providers_list, routes_list, version_get
from handlers.llama_stack.models import models_get, models_list, models_register, models_unregister
from handlers.wire.llama import messages
from tests.unit.handlers.bench import (
    body_of,
    check,
    check_answer,
    content_of,
    events_of,
    frames_of,
    make_call,
    make_services,
)

CHAT_ANSWER = "#/components/schemas/ChatCompletionResponse"
CHAT_EVENT = "#/components/schemas/ChatCompletionResponseStreamChunk"
TEXT_ANSWER = "#/components/schemas/CompletionResponse"
TEXT_EVENT = "#/components/schemas/CompletionResponseStreamChunk"
TOOL = {
    "tool_name": "weather",
    "description": "Tells the weather",
    "parameters": {"city": {"param_type": "string", "description": "Where", "required": True}},
}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


async def chat(call: Call | None = None, **data: Any) -> Any:
    body = {"model_id": "openai/gpt-5.5", "messages": [{"role": "user", "content": "hi"}]} | data
    return await chat_completions_create(body_of(body), call or make_call("llama_stack"))


async def complete(**data: Any) -> Any:
    body = {"model_id": "openai/gpt-5.5", "content": "Once upon"} | data
    return await completions_create(body_of(body), make_call("llama_stack"))


async def whole_chat(**data: Any) -> Any:
    return check("llama_stack", CHAT_ANSWER, content_of(await chat(**data)))


async def chat_events(**data: Any) -> list[Any]:
    events = events_of(await frames_of(await chat(stream=True, **data)))
    return [check("llama_stack", CHAT_EVENT, event)["event"] for event in events]


async def test_a_whole_answer_is_json_and_marked() -> None:
    reply = await chat()
    message = check("llama_stack", CHAT_ANSWER, reply.content)["completion_message"]
    assert message["role"] == "assistant"
    assert '"hi"' in message["content"]
    assert message["stop_reason"] == "end_of_turn"
    assert message["tool_calls"] == []
    assert reply.media_type == "application/json"
    assert reply.headers == {"X-Concordat-Provider": "simulator"}


async def test_a_stream_starts_progresses_and_completes_without_done() -> None:
    whole = await whole_chat()
    events = await chat_events()
    assert [event["event_type"] for event in events] == ["start", *["progress"] * (len(events) - 2), "complete"]
    text = "".join(event["delta"]["text"] for event in events)
    assert text == whole["completion_message"]["content"]
    assert events[-1]["stop_reason"] == "end_of_turn"
    assert [event for event in events if "stop_reason" in event] == [events[-1]]


async def test_a_tool_call_streams_in_pieces_and_then_whole() -> None:
    whole = (await whole_chat(tools=[TOOL], tool_choice="required"))["completion_message"]
    deltas = [event["delta"] for event in await chat_events(tools=[TOOL], tool_choice="required")][1:-1]
    statuses = [delta["parse_status"] for delta in deltas]
    assert statuses == ["started", *["in_progress"] * (len(deltas) - 2), "succeeded"]
    pieces = "".join(delta["tool_call"] for delta in deltas[:-1])
    assert orjson.loads(pieces) == whole["tool_calls"][0]["arguments"] == deltas[-1]["tool_call"]["arguments"]
    assert deltas[-1]["tool_call"]["tool_name"] == "weather"
    assert whole["stop_reason"] == "end_of_message"


async def test_a_tool_call_that_was_cut_off_is_shown_as_text_and_failed() -> None:
    cut = {
        "tools": [TOOL],
        "tool_choice": "required",
        "sampling_params": {"strategy": {"type": "greedy"}, "max_tokens": 2},
    }
    message = (await whole_chat(**cut))["completion_message"]
    assert message["tool_calls"] == []
    assert "weather" in message["content"]
    assert message["stop_reason"] == "out_of_tokens"
    failed = (await chat_events(**cut))[-2]["delta"]
    assert (failed["parse_status"], failed["tool_call"]) == ("failed", message["content"])


async def test_json_schema_is_the_schema_itself() -> None:
    schema = {"title": "My answer", "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answer = await whole_chat(response_format={"type": "json_schema", "json_schema": schema})
    assert isinstance(orjson.loads(answer["completion_message"]["content"])["n"], int)


async def test_log_probabilities_come_by_token() -> None:
    whole = await whole_chat(logprobs={"top_k": 2})
    assert all(len(entry["logprobs_by_token"]) >= 2 for entry in whole["logprobs"])
    events = await chat_events(logprobs={"top_k": 2})
    streamed = [entry for event in events for entry in event.get("logprobs", [])]
    assert streamed == whole["logprobs"]


RULES = {"root": 'answer "!"', "answer": ['"yes"', '"no"']}


@pytest.mark.parametrize(
    "bnf",
    [
        RULES,
        {"grammar": 'root ::= answer "!"\nanswer ::= "yes" | "no"'},
        {"grammar": '# the first rule is the root\n<reply> ::= <answer> "!"\n<answer> ::= "yes" | "no"'},
    ],
)
async def test_an_answer_keeps_to_a_grammar(bnf: dict[str, Any]) -> None:
    wanted = {"type": "grammar", "bnf": bnf}
    answer = await whole_chat(model_id="simulator/chat", response_format=wanted)
    assert answer["completion_message"]["content"] in ("yes!", "no!")
    events = await chat_events(model_id="simulator/chat", response_format=wanted)
    said = "".join(event["delta"].get("text", "") for event in events)
    assert said == answer["completion_message"]["content"]


async def test_a_text_completion_keeps_to_a_grammar() -> None:
    wanted = {"type": "grammar", "bnf": RULES}
    answer = content_of(await complete(model_id="simulator/chat", response_format=wanted))
    assert answer["content"] in ("yes!", "no!")


@pytest.mark.parametrize(
    ("bnf", "code"),
    [
        ({}, "invalid_grammar"),
        ({"root": 7}, "invalid_grammar"),
        ({"root": []}, "invalid_grammar"),
        ({"": "x"}, "invalid_grammar"),
        ({"root": "x" * 100_001}, "invalid_grammar"),
        ({"root": "unknown"}, "invalid_request"),
    ],
)
async def test_a_grammar_that_is_none_is_refused(bnf: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        await chat(model_id="simulator/chat", response_format={"type": "grammar", "bnf": bnf})
    assert (caught.value.code, caught.value.param) == (code, "response_format")


async def test_a_model_that_writes_by_no_grammar_says_so() -> None:
    with pytest.raises(Invalid) as caught:
        await chat(model_id="plain-1", response_format={"type": "grammar", "bnf": RULES})
    assert caught.value.code == "model_does_not_support_grammar"


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        ({"type": "greedy"}, {"temperature": 0}),
        ({"type": "top_p", "temperature": 0.3}, {"top_p": 0.95, "temperature": 0.3}),
        ({"type": "top_k", "top_k": 7}, {"top_k": 7}),
    ],
)
def test_sampling_strategies_become_options(strategy: dict[str, Any], options: dict[str, Any]) -> None:
    from handlers.wire.llama.params import sampling_options

    assert sampling_options({"sampling_params": {"strategy": strategy}}) == options
    limits = {"strategy": strategy, "max_tokens": 5, "repetition_penalty": 1.2}
    assert sampling_options({"sampling_params": limits}) == options | {"max_tokens": 5, "repetition_penalty": 1.2}


def test_tool_parameters_become_a_json_schema() -> None:
    from handlers.wire.llama.params import chat_options

    parameters = {
        "days": {"param_type": "int", "required": False, "default": 3},
        "names": {"param_type": "list[str]", "description": "Who"},
    }
    tools = [{"tool_name": "f", "parameters": parameters}, {"tool_name": "brave_search"}]
    made = [tool["function"] for tool in chat_options({"tools": tools})["tools"]]
    assert made[0]["parameters"] == {
        "type": "object",
        "properties": {
            "days": {"type": "integer", "default": 3},
            "names": {"description": "Who (type: list[str])"},
        },
        "required": ["names"],
    }
    assert made[1]["parameters"]["required"] == ["query"]


def test_messages_become_openais() -> None:
    image = {"type": "image", "image": {"data": PNG}}
    text = {"type": "text", "text": "see"}
    call = {"call_id": "c1", "tool_name": "weather", "arguments": {"city": "Bern"}}
    assert messages.chat_messages(
        [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [text, image], "context": "facts"},
            {"role": "user", "content": {"type": "image", "image": {"url": {"uri": "https://x/y"}}}},
            {"role": "user", "content": "a", "context": "b"},
            {"role": "assistant", "content": "", "stop_reason": "end_of_turn", "tool_calls": [call]},
            {"role": "tool", "call_id": "c1", "tool_name": "weather", "content": "rain"},
            {"role": "ipython", "call_id": "c2", "content": "unknown tool"},
        ]
    ) == [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                text,
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "text", "text": "facts"},
            ],
        },
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]},
        {"role": "user", "content": "a\nb"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "tool", "tool_call_id": "c2", "content": "unknown tool"},
    ]


async def test_a_text_completion_whole_and_streamed_is_the_same() -> None:
    whole = check("llama_stack", TEXT_ANSWER, content_of(await complete(logprobs={"top_k": 1})))
    events = events_of(await frames_of(await complete(stream=True, logprobs={"top_k": 1})))
    events = [check("llama_stack", TEXT_EVENT, event) for event in events]
    assert "".join(event["delta"] for event in events) == whole["content"]
    assert events[-1] == {"delta": "", "stop_reason": whole["stop_reason"]}
    assert [entry for event in events for entry in event.get("logprobs", [])] == whole["logprobs"]


async def test_a_text_completion_takes_interleaved_text_but_no_image() -> None:
    items = [{"type": "text", "text": "Once"}, {"type": "text", "text": "upon"}]
    assert "Once upon" in content_of(await complete(content=items))["content"]
    with pytest.raises(Invalid):
        await complete(content={"type": "image", "image": {"data": PNG}})


async def test_a_model_without_plain_completion_refuses_it() -> None:
    with pytest.raises(Invalid) as caught:
        await complete(model_id="plain-1")
    assert caught.value.code == "model_does_not_support_completion"


async def test_an_unknown_model_is_not_found_when_it_is_asked_but_null_when_it_is_read() -> None:
    with pytest.raises(NotFound):
        await chat(model_id="nobody/nothing")
    answer = await models_get(ModelsGetParams("nobody/nothing"), make_call("llama_stack"))
    assert check_answer("llama_stack", "GET /v1/models/{model_id}", answer) is None


async def test_models_tell_their_provider_type_and_dimension() -> None:
    listed = check_answer("llama_stack", "GET /v1/models", await models_list(make_call("llama_stack")))["data"]
    by_id = {model["identifier"]: model for model in listed}
    assert by_id["openai/gpt-5.5"]["provider_id"] == "simulator"
    assert by_id["openai/gpt-5.5"]["model_type"] == "llm"
    assert by_id["local/all-minilm-l6-v2"]["model_type"] == "embedding"
    assert by_id["local/all-minilm-l6-v2"]["metadata"]["embedding_dimension"] == 384


async def register(services: Services, **data: Any) -> Any:
    answer = await models_register(body_of(data), make_call("llama_stack", services))
    return check_answer("llama_stack", "POST /v1/models", answer)


async def test_a_registered_model_is_seen_used_and_unregistered_by_its_project_alone() -> None:
    services = make_services()
    call = make_call("llama_stack", services)
    registered = await register(services, model_id="my/model", provider_id="simulator", metadata={"a": 1})
    assert registered["provider_id"] == "simulator"
    assert registered["metadata"] == {"a": 1}
    assert await models_get(ModelsGetParams("my/model"), call) == registered
    assert registered in content_of(await models_list(call))["data"]
    answer = await chat(call, model_id="my/model")
    assert call.record.model == "my/model"
    assert check("llama_stack", CHAT_ANSWER, answer.content)
    await models_unregister(ModelsUnregisterParams("my/model"), call)
    assert await models_get(ModelsGetParams("my/model"), call) is None
    with pytest.raises(NotFound):
        await models_unregister(ModelsUnregisterParams("my/model"), call)


async def test_registering_without_a_provider_takes_the_catalogs() -> None:
    registered = await register(make_services(), model_id="alias", provider_model_id="openai/gpt-5.5")
    assert (registered["provider_id"], registered["provider_resource_id"]) == ("openai", "gpt-5.5")


async def test_registering_without_a_provider_takes_the_simulator_for_what_nobody_knows() -> None:
    registered = await register(make_services(), model_id="meta-llama/Llama-3.1-8B-Instruct")
    assert registered["provider_id"] == "simulator"
    production = make_services(profile="production", inference={})
    with pytest.raises(Invalid):
        await register(production, model_id="meta-llama/Llama-3.1-8B-Instruct")


async def test_an_embedding_model_keeps_its_kind_and_dimension() -> None:
    registered = await register(
        make_services(),
        model_id="small",
        provider_id="local",
        provider_model_id="all-minilm-l6-v2",
        metadata={"embedding_dimension": 384},
    )
    assert registered["model_type"] == "embedding"
    with pytest.raises(Invalid):
        await register(
            make_services(), model_id="x", provider_id="local", provider_model_id="all-minilm-l6-v2", model_type="llm"
        )


async def test_a_model_needs_a_name() -> None:
    with pytest.raises(Invalid):
        await register(make_services(), model_id=" ", provider_id="simulator")


async def test_explicit_nulls_are_the_same_as_nothing() -> None:
    nothing = {"response_format": None, "tools": None, "tool_choice": None, "sampling_params": None, "logprobs": None}
    assert await whole_chat(**nothing) == await whole_chat()
    strategy = {"type": "top_p", "temperature": None, "top_p": None}
    params = {"strategy": strategy, "max_tokens": None, "repetition_penalty": None}
    assert await whole_chat(sampling_params=params) == await whole_chat()
    assert "logprobs" in await whole_chat(logprobs={"top_k": None})


async def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(NotFound) as caught:
        await register(make_services(), model_id="x", provider_id="nobody")
    assert caught.value.param == "provider_id"


async def test_a_catalog_model_cannot_be_unregistered() -> None:
    with pytest.raises(Forbidden):
        await models_unregister(ModelsUnregisterParams("openai/gpt-5.5"), make_call("llama_stack"))


async def test_inspection_tells_what_runs() -> None:
    call = make_call("llama_stack")
    assert check_answer("llama_stack", "GET /v1/health", await health_get(call)) == {"status": "OK"}
    assert check_answer("llama_stack", "GET /v1/version", await version_get(call)) == {"version": "0.1.0"}
    providers = check_answer("llama_stack", "GET /v1/inspect/providers", await providers_list(call))["data"]
    assert {"api": "inference", "provider_id": "simulator", "provider_type": "inline::simulator"} in providers
    routes = check_answer("llama_stack", "GET /v1/inspect/routes", await routes_list(call))["data"]
    assert routes == [{"route": "/v1/health", "method": "GET", "provider_types": []}]
