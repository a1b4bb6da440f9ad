from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from handlers.core.errors import Invalid

_IMAGES = {"/9j/": "image/jpeg", "iVBORw0KGgo": "image/png", "R0lGOD": "image/gif", "UklGR": "image/webp"}
"""How the base64 text of an image file begins."""


def chat_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_message(message) for message in messages]


def plain_text(content: Any, param: str, taker: str) -> str:
    """Interleaved content as one text. Raises `Invalid` for images: `taker` ("a text completion takes") none."""
    parts = chat_content(content)
    if isinstance(parts, str):
        return parts
    if any(part["type"] != "text" for part in parts):
        raise Invalid(f"{taker} no images", code="images_not_supported", param=param)
    return "\n".join(part["text"] for part in parts)


def chat_content(content: Any) -> str | list[dict[str, Any]]:
    """A text, one item or a list of items (texts may stand in it bare) as a text or OpenAI's parts."""
    if content is None or isinstance(content, str):
        return content or ""
    items = content if isinstance(content, list) else [content]
    return [{"type": "text", "text": item} if isinstance(item, str) else _part(item) for item in items]


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Clients answer a tool they do not know as `ipython`, which is `tool` by its older name."""
    role, content = message.get("role"), chat_content(message.get("content"))
    if role == "user":
        return {"role": "user", "content": _with_context(content, message.get("context"))}
    if role == "system":
        return {"role": "system", "content": content}
    if role in ("tool", "ipython"):
        return {"role": "tool", "tool_call_id": message.get("call_id") or "", "content": content}
    if role == "assistant":
        return _assistant(message, content)
    raise Invalid(f"messages have no role {role!r}", param="messages")


def _with_context(content: str | list[dict[str, Any]], context: Any) -> str | list[dict[str, Any]]:
    """What a user's message stands on follows it."""
    if context is None:
        return content
    added = chat_content(context)
    if isinstance(content, str) and isinstance(added, str):
        return f"{content}\n{added}"
    return [*_as_parts(content), *_as_parts(added)]


def _as_parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _assistant(message: Mapping[str, Any], content: Any) -> dict[str, Any]:
    calls = [_tool_call(call) for call in message.get("tool_calls") or []]
    if not calls:
        return {"role": "assistant", "content": content}
    return {"role": "assistant", "content": content or None, "tool_calls": calls}


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = call.get("arguments") or {}
    text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
    return {"id": call.get("call_id"), "type": "function", "function": {"name": call["tool_name"], "arguments": text}}


def _part(item: Mapping[str, Any]) -> dict[str, Any]:
    if item.get("type") == "text":
        return {"type": "text", "text": item.get("text", "")}
    image = item.get("image") or {}
    url = (image.get("url") or {}).get("uri")
    if url is None and image.get("data"):
        url = f"data:{_image_type(image['data'])};base64,{image['data']}"
    if not url:
        raise Invalid("an image needs a url or data", param="content")
    return {"type": "image_url", "image_url": {"url": url}}


def _image_type(data: str) -> str:
    for start, media_type in _IMAGES.items():
        if data.startswith(start):
            return media_type
    raise Invalid("image data must be base64 of a JPEG, PNG, GIF or WebP file", param="content")
