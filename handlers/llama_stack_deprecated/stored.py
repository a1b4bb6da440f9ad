"""Stored chats in the document's closed schemas, wherever they came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from handlers.core import completions
from handlers.core.completions import StoredChat
from handlers.llama_stack_deprecated.choices import chat_choice, tool_call
from handlers.wire.openai_chat import pick

_PARTS = {"image_url": ("url", "detail"), "file": ("file_data", "file_id", "filename")}


def render(stored: StoredChat) -> dict[str, Any]:
    """A chat that was asked for elsewhere, and not answered, has no choices."""
    answer, request = completions.answer_of(stored), completions.request_of(stored)
    created = answer["created"]
    if not isinstance(created, int | float):
        created = stored.created_at.timestamp()
    return {
        "id": stored.id,
        "object": "chat.completion",
        "created": int(created),
        "model": stored.model or "",
        "choices": [chat_choice({**choice, "message": _plain(choice["message"])}) for choice in answer["choices"]],
        "input_messages": [_message(message) for message in request["messages"]],
    }


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Only an assistant may say nothing; a tool's word is about a call."""
    role, content = message["role"], _plain(message)["content"]
    rendered = {"role": role, "content": "" if content is None and role != "assistant" else content}
    if role == "tool":
        return rendered | {"tool_call_id": message.get("tool_call_id") or ""}
    rendered |= pick(message, ("name",))
    if role == "assistant" and message.get("tool_calls"):
        rendered["tool_calls"] = [tool_call(call) for call in message["tool_calls"]]
    return rendered


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        content = [_part(part, message["role"]) for part in content]
    return {**message, "content": content}


def _part(part: Mapping[str, Any], role: str) -> dict[str, Any]:
    """What the document has no part for is shown as the JSON that it was."""
    kind = part.get("type", "text")
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    if kind in _PARTS and role == "user" and isinstance(part.get(kind), dict):
        return {"type": kind, kind: pick(part[kind], _PARTS[kind])}
    return {"type": "text", "text": orjson.dumps(part).decode()}
