"""What vendors say, by hand: for each scenario a whole answer and the events of the same answer streamed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from providers.inference.interface import Usage

PICTURE = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@dataclass(frozen=True)
class Scenario:
    """A request that every implementation understands."""

    messages: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)


SCENARIOS = {
    "text": Scenario(
        [{"role": "system", "content": "Be brief."}, *said("Hello")], {"temperature": 0.5, "stop": ["END"]}
    ),
    "tools": Scenario(said("Weather?"), {"tools": [WEATHER], "tool_choice": "required"}),
    "result": Scenario(
        [
            *said("Weather?"),
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "12 degrees"},
        ],
        {"tools": [WEATHER]},
    ),
    "structured": Scenario(
        said("Who?"),
        {"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}},
    ),
    "picture": Scenario(
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": PICTURE}}],
            }
        ]
    ),
    "reasoning": Scenario(said("Think"), {"reasoning_effort": "high"}),
}

OPENAI_HEAD = {"id": "chatcmpl-1", "created": 1700000000, "model": "m-2026", "system_fingerprint": "fp"}
OPENAI_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "total_tokens": 27,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
VENDOR_USAGE = {
    "openai": Usage(20, 7, cached_tokens=4, reasoning_tokens=2),
    "anthropic": Usage(20, 7, cached_tokens=4, cache_write_tokens=6),
}


def openai_whole(message: dict[str, Any], finish_reason: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    return orjson.dumps({**OPENAI_HEAD, "object": "chat.completion", "choices": [choice], "usage": OPENAI_USAGE})


def openai_stream(*deltas: dict[str, Any], finish_reason: str = "stop") -> list[bytes]:
    choices = [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
    choices += [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish_reason})
    head = {**OPENAI_HEAD, "object": "chat.completion.chunk"}
    bodies = [{**head, "choices": [choice], "usage": None} for choice in choices]
    bodies.append({**head, "choices": [], "usage": OPENAI_USAGE})
    return [b"data: " + orjson.dumps(body) + b"\n\n" for body in bodies] + [b"data: [DONE]\n\n"]


def openai_call(arguments: str, **head: Any) -> dict[str, Any]:
    return {**head, "function": {"arguments": arguments, **({"name": "get_weather"} if head.get("id") else {})}}


def openai_text(text: str, *pieces: str) -> tuple[bytes, list[bytes]]:
    return openai_whole({"content": text}), openai_stream(*({"content": piece} for piece in pieces))


OPENAI = {
    "text": openai_text("Hello wörld!", "Hello ", "wörld", "!"),
    "tools": (
        openai_whole(
            {"content": None, "tool_calls": [openai_call('{"city":"Oslo"}', id="c1", type="function")]}, "tool_calls"
        ),
        openai_stream(
            {"content": None, "tool_calls": [openai_call("", index=0, id="c1", type="function")]},
            {"tool_calls": [openai_call('{"city":', index=0)]},
            {"tool_calls": [openai_call('"Oslo"}', index=0)]},
            finish_reason="tool_calls",
        ),
    ),
    "result": openai_text("It is 12 degrees.", "It is ", "12 degrees."),
    "structured": openai_text('{"name":"Ada","age":36}', '{"name":"Ada"', ',"age":36}'),
    "picture": openai_text("A dot.", "A ", "dot."),
    "reasoning": (
        openai_whole({"content": "42", "reasoning_content": "Six by seven"}),
        openai_stream({"reasoning_content": "Six by "}, {"reasoning_content": "seven"}, {"content": "42"}),
    ),
}

ANTHROPIC_USAGE = {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 6}


def anthropic_whole(*blocks: dict[str, Any], stop_reason: str = "end_turn") -> bytes:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_sequence": None}
    usage = {**ANTHROPIC_USAGE, "output_tokens": 7}
    return orjson.dumps({**head, "content": list(blocks), "stop_reason": stop_reason, "usage": usage})


def anthropic_event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: ".encode() + orjson.dumps({"type": kind, **members}) + b"\n\n"


def anthropic_stream(*blocks: list[dict[str, Any]], stop_reason: str = "end_turn") -> list[bytes]:
    """Each block is its start and its deltas."""
    message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    message |= {"content": [], "stop_reason": None, "usage": {**ANTHROPIC_USAGE, "output_tokens": 1}}
    events = [anthropic_event("message_start", message=message), anthropic_event("ping")]
    for index, (start, *deltas) in enumerate(blocks):
        events.append(anthropic_event("content_block_start", index=index, content_block=start))
        events += [anthropic_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(anthropic_event("content_block_stop", index=index))
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    events.append(anthropic_event("message_delta", delta=delta, usage={"output_tokens": 7}))
    return [*events, anthropic_event("message_stop")]


def anthropic_text(text: str, *pieces: str) -> tuple[bytes, list[bytes]]:
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return anthropic_whole({"type": "text", "text": text}), anthropic_stream([{"type": "text", "text": ""}, *deltas])


ANTHROPIC = {
    "text": anthropic_text("Hello wörld!", "Hello ", "wörld", "!"),
    "tools": (
        anthropic_whole(
            {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {"city": "Oslo"}}, stop_reason="tool_use"
        ),
        anthropic_stream(
            [
                {"type": "tool_use", "id": "c1", "name": "get_weather", "input": {}},
                {"type": "input_json_delta", "partial_json": ""},
                {"type": "input_json_delta", "partial_json": '{"city":'},
                {"type": "input_json_delta", "partial_json": '"Oslo"}'},
            ],
            stop_reason="tool_use",
        ),
    ),
    "result": anthropic_text("It is 12 degrees.", "It is ", "12 degrees."),
    "structured": anthropic_text('{"name":"Ada","age":36}', '{"name":"Ada"', ',"age":36}'),
    "picture": anthropic_text("A dot.", "A ", "dot."),
    "reasoning": (
        anthropic_whole(
            {"type": "thinking", "thinking": "Six by seven", "signature": "sig"}, {"type": "text", "text": "42"}
        ),
        anthropic_stream(
            [
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "Six by "},
                {"type": "thinking_delta", "thinking": "seven"},
                {"type": "signature_delta", "signature": "sig"},
            ],
            [{"type": "text", "text": ""}, {"type": "text_delta", "text": "42"}],
        ),
    ),
}


def openai_error(message: str) -> bytes:
    fault = {"message": message, "type": "some_error", "param": "temperature", "code": "some_code"}
    return orjson.dumps({"error": fault})


def anthropic_error(message: str) -> bytes:
    fault = {"type": "error", "error": {"type": "some_code", "message": message}, "request_id": "r"}
    return orjson.dumps(fault)
