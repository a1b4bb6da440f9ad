"""Parameters as vendors want them. The document lets clients leave out every `type`, and names what it then is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.core.errors import Invalid
from handlers.wire import openai_chat

OURS = ("metadata", "tags", "store", "trace")
"""Members of a request that tell us something, and no vendor."""
_NOT_OPTIONS = frozenset({"models", *OURS})

_FUNCTION = {"type": "function"}
_PARTS = ("image_url", "input_audio", "file", "text")
"""A part's content stands under its type's own name."""


def typed_messages(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_message(message) for message in messages]


def vendor_options(data: Mapping[str, Any]) -> dict[str, Any]:
    """The document's numbers may be `16.0` where OpenAI's API has whole ones; `reasoning.effort` is renamed."""
    options = openai_chat.options_of(data, _NOT_OPTIONS)
    for name in ("max_tokens", "max_completion_tokens", "top_logprobs"):
        if isinstance(value := options.get(name), float):
            if not value.is_integer():
                raise Invalid(f"{name} must be a whole number", param=name)
            options[name] = int(value)
    reasoning = {name: value for name, value in options.pop("reasoning", {}).items() if value is not None}
    reasoning.pop("exclude", None)
    if reasoning.keys() == {"effort"}:
        options["reasoning_effort"] = reasoning["effort"]
    elif reasoning:
        options["reasoning"] = reasoning
    return typed_options(options)


def typed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    typed = dict(options)
    if "tools" in options:
        typed["tools"] = [_FUNCTION | tool for tool in options["tools"]]
    if isinstance(options.get("tool_choice"), dict):
        typed["tool_choice"] = _FUNCTION | options["tool_choice"]
    if "response_format" in options:
        wanted = options["response_format"]
        typed["response_format"] = {"type": "json_schema" if "json_schema" in wanted else "text", **wanted}
    if "prediction" in options:
        typed["prediction"] = {"type": "content", **options["prediction"]}
    return typed


def _message(message: dict[str, Any]) -> dict[str, Any]:
    """Explicit nulls are the same as nothing."""
    typed = {name: value for name, value in message.items() if value is not None or name == "content"}
    if isinstance(message.get("content"), list):
        typed["content"] = [_part(part) for part in message["content"]]
    if message.get("tool_calls"):
        typed["tool_calls"] = [_FUNCTION | call for call in message["tool_calls"]]
    return typed


def _part(part: dict[str, Any]) -> dict[str, Any]:
    if "type" in part:
        return part
    kind = next((name for name in _PARTS if name in part), "text")
    return {"type": kind, **part}
