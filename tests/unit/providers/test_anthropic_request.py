from __future__ import annotations

from typing import Any

import pytest

from providers.errors import Refused
from providers.inference.anthropic.reasoning import is_adaptive
from providers.inference.anthropic.request import body_of, chat_of_text
from providers.inference.interface import ChatRequest, TextRequest

USER = {"role": "user", "content": "Hi"}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time", "strict": True}}


def body(*messages: dict[str, Any], model: str = "claude-sonnet-4-6", **options: Any) -> dict[str, Any]:
    return body_of(ChatRequest(model, messages or [USER], options), 32_000)


def test_a_plain_chat_is_one_turn_of_one_block() -> None:
    assert body() == {
        "model": "claude-sonnet-4-6",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }


def test_system_and_developer_messages_become_the_system_prompt() -> None:
    cached = {"type": "text", "text": "B", "cache_control": {"type": "ephemeral"}}
    made = body(
        {"role": "system", "content": "A"},
        USER,
        {"role": "developer", "content": [cached]},
        {"role": "user", "content": ""},
    )
    assert made["system"] == [{"type": "text", "text": "A"}, cached]
    assert made["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


def test_calls_and_their_results_become_blocks_and_share_turns() -> None:
    calls = [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
        {"id": "c2", "type": "function", "function": {"name": "clock", "arguments": ""}},
    ]
    made = body(
        USER,
        {"role": "assistant", "content": "Let me see", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "12"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "noon"}]},
        {"role": "user", "content": "And?"},
    )
    assert made["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see"},
                {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "c2", "name": "clock", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "12"},
                {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "noon"}]},
                {"type": "text", "text": "And?"},
            ],
        },
    ]


def test_thinking_is_replayed_with_its_signature() -> None:
    thinking = {"type": "thinking", "thinking": "Hm", "signature": "sig"}
    hidden = {"type": "redacted_thinking", "data": "xyz"}
    blocks = [{"index": 0, **thinking}, hidden]
    made = body(
        USER, {"role": "assistant", "content": "So", "reasoning_content": "Hm", "thinking_blocks": blocks}, USER
    )
    assert made["messages"][1]["content"] == [thinking, hidden, {"type": "text", "text": "So"}]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/PNG;base64,AAAA", "detail": "low"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://e.org/a.png"}},
            {"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                "title": "a.pdf",
            },
        ),
        ({"type": "document", "source": {"type": "text"}}, {"type": "document", "source": {"type": "text"}}),
    ],
)
def test_parts_become_blocks(part: dict[str, Any], block: dict[str, Any]) -> None:
    marked = {**part, "cache_control": {"type": "ephemeral"}}
    made = body({"role": "user", "content": [part, marked]})
    assert made["messages"][0]["content"] == [block, {**block, "cache_control": {"type": "ephemeral"}}]


def test_tools_keep_schema_description_strictness_and_cache_mark() -> None:
    marked = {**WEATHER, "cache_control": {"type": "ephemeral"}}
    own = {"type": "web_search_20250305", "name": "web_search"}
    made = body(tools=[CLOCK, marked, own])
    assert made["tools"] == [
        {
            "name": "clock",
            "input_schema": {"type": "object", "properties": {}},
            "description": "The time",
            "strict": True,
        },
        {
            "name": "weather",
            "input_schema": {"type": "object", "properties": {}},
            "cache_control": {"type": "ephemeral"},
        },
        own,
    ]


@pytest.mark.parametrize(
    ("options", "choice"),
    [
        ({}, {"type": "auto"}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "clock"}}}, {"type": "tool", "name": "clock"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choices_are_translated(options: dict[str, Any], choice: dict[str, Any]) -> None:
    assert body(tools=[WEATHER, CLOCK], **options)["tool_choice"] == choice


def test_allowed_tools_leave_the_others_out() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "clock"}}]}
    made = body(tools=[WEATHER, CLOCK], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool["name"] for tool in made["tools"]] == ["clock"]
    assert made["tool_choice"] == {"type": "any"}


def test_options_are_translated_or_passed_on() -> None:
    made = body(
        stop="END",
        max_completion_tokens=9,
        temperature=0,
        top_k=4,
        user="u1",
        service_tier="standard",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        n=1,
        logprobs=False,
        presence_penalty=0,
        seed=None,
        nobodys=1,
    )
    assert made == {
        **body(),
        "max_tokens": 9,
        "stop_sequences": ["END"],
        "temperature": 0,
        "top_k": 4,
        "metadata": {"user_id": "u1"},
        "service_tier": "standard_only",
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "nobodys": 1,
    }


@pytest.mark.parametrize(
    ("model", "adaptive"),
    [
        ("claude-opus-4-8", True),
        ("claude-sonnet-4.6", True),
        ("claude-sonnet-4-6-20260101", True),
        ("claude-opus-5", True),
        ("claude-fable", True),
        ("claude-sonnet-4-5-20250929", False),
        ("claude-opus-4-20250514", False),
        ("claude-3-7-sonnet-20250219", False),
        ("anthropic/claude-haiku-4.5", False),
    ],
)
def test_the_version_says_how_a_model_thinks(model: str, adaptive: bool) -> None:
    assert is_adaptive(model) is adaptive


def test_an_effort_is_passed_to_a_model_that_adapts() -> None:
    made = body(reasoning_effort="xhigh", response_format={"type": "json_schema", "json_schema": {"schema": {}}})
    assert made["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert made["output_config"] == {"effort": "xhigh", "format": {"type": "json_schema", "schema": {}}}


@pytest.mark.parametrize(
    ("options", "budget"),
    [
        ({"reasoning_effort": "low"}, 2048),
        ({"reasoning": {"effort": "high"}}, 16_000),
        ({"reasoning": {"effort": "high"}, "max_tokens": 100_000}, 16_384),
        ({"reasoning": {"max_tokens": 5000}}, 5000),
        ({"reasoning": {"enabled": True}}, 8192),
        ({"reasoning_effort": "high", "max_tokens": 1500}, 1024),
    ],
)
def test_an_effort_is_a_budget_for_an_older_model(options: dict[str, Any], budget: int) -> None:
    made = body(model="claude-sonnet-4-5", **options)
    assert made["thinking"] == {"type": "enabled", "budget_tokens": budget}


@pytest.mark.parametrize(
    "options", [{"reasoning_effort": "none"}, {"reasoning": {"enabled": False}}, {"reasoning": {}}]
)
def test_no_reasoning_asks_for_none(options: dict[str, Any]) -> None:
    assert body(**options) == body()


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"seed": 1}, "seed"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"functions": [{}]}, "functions"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        ({"reasoning_effort": "low", "max_tokens": 100, "model": "claude-sonnet-4-5"}, "max_tokens"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "tools"),
    ],
)
def test_what_the_vendor_cannot_do_is_refused_by_name(options: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as caught:
        body(**options)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,text"}}]},
        {"role": "user", "content": [{"type": "image_url"}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
        {"role": "user", "content": ["text"]},
        {"role": "function", "content": "x"},
        {"role": ["user"], "content": "x"},
        {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "n", "arguments": "{"}}]},
        {"role": "assistant", "tool_calls": ["c"]},
    ],
    ids=repr,
)
def test_messages_that_cannot_be_told_are_refused(message: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        body(message)


def test_a_text_completion_is_a_chat_of_one_turn() -> None:
    chat = chat_of_text(TextRequest("m", "Once", {"max_tokens": 5, "echo": False, "best_of": 1}))
    assert chat == ChatRequest("m", [{"role": "user", "content": "Once"}], {"max_tokens": 5})


@pytest.mark.parametrize("option", [{"echo": True}, {"suffix": "x"}, {"logprobs": 2}, {"best_of": 3}])
def test_what_a_chat_cannot_complete_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        chat_of_text(TextRequest("m", "Once", option))
