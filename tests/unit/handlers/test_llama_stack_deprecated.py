from __future__ import annotations

from typing import Any

import pytest

from handlers.core.errors import Invalid
from handlers.llama_stack_deprecated.inference import chat_completions_create, completions_create
from handlers.llama_stack_deprecated.models import models_list
from tests.unit.handlers.bench import (
    body_of,
    check,
    check_answer,
    content_of,
    events_of,
    frames_of,
    make_call,
    said,
    streamed_message,
)

API = "llama_stack_deprecated"
CHAT = "#/components/schemas/OpenAIChatCompletion"
CHUNK = "#/components/schemas/OpenAIChatCompletionChunk"
TEXT = "#/components/schemas/OpenAICompletion"
FUNCTION = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOL = {"type": "function", "function": FUNCTION}


async def chat(**data: Any) -> Any:
    body = {"model": "openai/gpt-5.5", "messages": said("hi")} | data
    return await chat_completions_create(body_of(body), make_call(API))


async def complete(**data: Any) -> Any:
    body = {"model": "openai/gpt-5.5", "prompt": "Once upon"} | data
    return await completions_create(body_of(body), make_call(API))


async def whole_chat(**data: Any) -> Any:
    return check(API, CHAT, content_of(await chat(**data)))


async def whole_text(**data: Any) -> Any:
    return check(API, TEXT, content_of(await complete(**data)))


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"tools": [TOOL], "tool_choice": "required"},
        {"functions": [FUNCTION], "function_call": {"name": "weather"}},
        {"logprobs": True, "top_logprobs": 2},
        {"max_tokens": 2},
    ],
    ids=["text", "tool", "function", "logprobs", "cut"],
)
async def test_whole_and_streamed_give_the_same_message(extra: dict[str, Any]) -> None:
    choice = (await whole_chat(**extra))["choices"][0]
    streamed = streamed_message(events_of(await frames_of(await chat(stream=True, **extra))))
    assert streamed["content"] == choice["message"].get("content", "")
    calls = [call["function"] for call in choice["message"].get("tool_calls", [])]
    assert list(streamed["calls"].values()) == calls
    assert bool(calls) == ("tools" in extra or "functions" in extra)
    assert streamed["finish_reason"] == choice["finish_reason"]


async def test_a_stream_has_no_done_and_ends_with_its_finish_reason() -> None:
    events = events_of(await frames_of(await chat(stream=True)))
    assert "[DONE]" not in events
    assert [event["choices"][0]["finish_reason"] for event in events] == [None] * (len(events) - 1) + ["stop"]
    assert {event["model"] for event in events} == {"openai/gpt-5.5"}
    assert all(event.keys() == {"id", "object", "created", "model", "choices"} for event in events)
    check(API, CHUNK, events[-1])


async def test_usage_is_the_last_event_when_asked_for() -> None:
    events = events_of(await frames_of(await chat(stream=True, stream_options={"include_usage": True})))
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["completion_tokens"] > 0


async def test_several_choices_are_all_streamed() -> None:
    whole = await whole_chat(n=2)
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    events = events_of(await frames_of(await chat(n=2, stream=True)))
    for choice in whole["choices"]:
        mine = [c for event in events for c in event["choices"] if c["index"] == choice["index"]]
        assert "".join(c["delta"].get("content") or "" for c in mine) == choice["message"]["content"]


async def test_a_text_completion_whole_and_streamed_is_the_same() -> None:
    whole = (await whole_text(logprobs=True))["choices"][0]
    assert "".join(entry["token"] for entry in whole["logprobs"]["content"]) == whole["text"]
    events = events_of(await frames_of(await complete(logprobs=True, stream=True)))
    assert "".join(choice["text"] for event in events for choice in event["choices"]) == whole["text"]
    assert events[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]


async def test_an_echoed_prompt_comes_first() -> None:
    assert (await whole_text(echo=True))["choices"][0]["text"].startswith("Once upon")


async def test_several_prompts_are_numbered_through() -> None:
    alone = [(await whole_text(prompt=text, n=2))["choices"] for text in ("one", "two")]
    together = (await whole_text(prompt=["one", "two"], n=2))["choices"]
    assert [choice["index"] for choice in together] == [0, 1, 2, 3]
    assert [choice["text"] for choice in together] == [choice["text"] for choices in alone for choice in choices]
    events = events_of(await frames_of(await complete(prompt=["one", "two"], n=2, stream=True)))
    for choice in together:
        pieces = [c["text"] for event in events for c in event["choices"] if c["index"] == choice["index"]]
        assert "".join(pieces) == choice["text"]


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]], []])
async def test_prompts_that_are_no_texts_are_refused(prompt: Any) -> None:
    with pytest.raises(Invalid) as caught:
        await complete(prompt=prompt)
    assert caught.value.param == "prompt"


async def test_models_are_listed() -> None:
    listed = check_answer(API, "GET /v1/openai/v1/models", await models_list(make_call(API)))["data"]
    assert [model["id"] for model in listed] == [
        "openai/gpt-5.5",
        "plain-1",
        "simulator/chat",
        "local/all-minilm-l6-v2",
    ]


async def test_a_request_cannot_ask_for_endless_prompts() -> None:
    with pytest.raises(Invalid, match="at most 128 prompts"):
        await complete(prompt=["x"] * 129)
