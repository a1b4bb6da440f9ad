"""A conversation is one, also where a document leaves the shape of its messages open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from handlers.core.errors import Invalid

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def check_messages(messages: Sequence[Any]) -> None:
    """Raises `Invalid` that names the message."""
    if not messages:
        raise Invalid("messages must not be empty", param="messages")
    for number, message in enumerate(messages):
        fault = _fault_of(message)
        if fault:
            raise Invalid(f"messages[{number}]{fault}", param=f"messages[{number}]")


def content_parts(messages: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        if isinstance(message.get("content"), list):
            yield from message["content"]


def _fault_of(message: Any) -> str | None:
    if not isinstance(message, dict):
        return " must be an object"
    role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls")
    if not isinstance(role, str) or role not in ROLES:
        return f".role must be one of {', '.join(sorted(ROLES))}"
    if not isinstance(content, str | list | None):
        return ".content must be a text or a list of parts"
    if isinstance(content, list) and not all(_is_part(part) for part in content):
        return ".content has a part without its content"
    if calls is not None and not (isinstance(calls, list) and all(_is_tool_call(call) for call in calls)):
        return ".tool_calls must be a list of function calls"
    return None


def _is_part(part: Any) -> bool:
    """A part holds what its type names; types that are nobody's are passed on."""
    if not isinstance(part, dict) or not isinstance(part.get("type", "text"), str):
        return False
    kind = part.get("type", "text")
    if kind == "text":
        return isinstance(part.get("text"), str)
    if kind == "image_url":
        image = part.get("image_url")
        return isinstance(image, dict) and isinstance(image.get("url"), str)
    return True


def _is_tool_call(call: Any) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    return isinstance(function, dict) and isinstance(function.get("name"), str)
