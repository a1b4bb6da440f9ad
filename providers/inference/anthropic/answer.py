"""A message of Anthropic's as OpenAI's completion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from providers.inference.belief import believed, count, is_id
from providers.inference.interface import Chunk, Completion, Usage
from providers.vendor_api import VendorApi

Json = dict[str, Any]

FINISH_REASONS = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Every other `stop_reason` is OpenAI's `stop`."""


def completion_of(answered: Json, created: int, api: VendorApi) -> Completion:
    """Raises `BrokenAnswer` for what is not a message."""
    blocks = answered.get("content")
    if not is_id(answered.get("id")):
        raise api.broken("a message without id")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise api.broken("a message without content")
    usage = usage_of(answered.get("usage"))
    choice = {
        "index": 0,
        "message": _message(blocks),
        "logprobs": None,
        "finish_reason": finish_reason_of(answered.get("stop_reason")),
    }
    body: Json = {
        "id": answered.get("id"),
        "object": "chat.completion",
        "created": created,
        "model": answered.get("model"),
        "choices": [choice],
    }
    return Completion({**body, "usage": usage_body(usage)} if usage else body, usage)


def finish_reason_of(stop_reason: Any) -> str:
    return FINISH_REASONS.get(str(stop_reason), "stop")


def usage_of(usage: Any) -> Usage | None:
    """Anthropic counts what it read from the cache and wrote to it beside `input_tokens`, not within. None for what is
    not to be believed."""
    if not isinstance(usage, Mapping):
        return None
    cached, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    told = Usage(
        prompt_tokens=count(usage, "input_tokens") + cached + written,
        completion_tokens=count(usage, "output_tokens"),
        cached_tokens=cached,
        cache_write_tokens=written,
    )
    return believed(told)


def usage_body(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": usage.cache_write_tokens},
    }


def text_body(body: Json) -> Json:
    """A chat completion as a text completion."""
    choices = [_text_choice(choice, choice["message"]["content"] or "") for choice in body["choices"]]
    return {**body, "object": "text_completion", "choices": choices}


def text_chunk(chunk: Chunk) -> Chunk | None:
    """None for a chunk without text, end or usage, such as one of reasoning."""
    body = chunk.body
    choices = [
        _text_choice(choice, choice["delta"].get("content") or "")
        for choice in body["choices"]
        if choice["delta"].get("content") or choice["finish_reason"]
    ]
    if not choices and chunk.usage is None:
        return None
    return Chunk(body={**body, "object": "text_completion", "choices": choices}, usage=chunk.usage)


def _text_choice(choice: Json, text: str) -> Json:
    return {"index": choice["index"], "text": text, "logprobs": None, "finish_reason": choice["finish_reason"]}


def _message(blocks: list[Json]) -> Json:
    texts = [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]
    thoughts = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    message: Json = {"role": "assistant", "content": "".join(texts) if texts or not calls else None, "refusal": None}
    if thoughts:
        message["reasoning_content"] = "".join(str(block.get("thinking", "")) for block in thoughts)
        message["thinking_blocks"] = thoughts
    if calls:
        message["tool_calls"] = calls
    return message


def _call(block: Json) -> Json:
    arguments = orjson.dumps(block.get("input") or {}).decode()
    return {
        "id": block.get("id"),
        "type": "function",
        "function": {"name": block.get("name"), "arguments": arguments},
    }
