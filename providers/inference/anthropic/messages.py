"""OpenAI's messages as Anthropic's turns of content blocks.

System and developer messages, wherever they stand, become the system prompt, which Anthropic has only one of. Turns
of one role that follow each other are joined, so that all results of parallel tool calls share one.
`thinking_blocks` of an assistant's message (as this provider gives them out) go back as they came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from providers.errors import Refused

Json = dict[str, Any]

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.=+-]+)*;base64,", re.IGNORECASE)


def blocks_of_system(messages: Sequence[Mapping[str, Any]]) -> list[Json]:
    blocks: list[Json] = []
    for message in messages:
        if message.get("role") in ("system", "developer"):
            blocks += _content_blocks(message.get("content"))
    return blocks


def turns_of(messages: Sequence[Mapping[str, Any]]) -> list[Json]:
    turns: list[Json] = []
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            continue
        if role not in _TURNS:
            raise Refused(f"this model knows no role {role!r}", param="messages")
        speaker, translate = _TURNS[role]
        blocks = translate(message)
        if not blocks:
            continue
        if turns and turns[-1]["role"] == speaker:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": speaker, "content": blocks})
    return turns


def _assistant(message: Mapping[str, Any]) -> list[Json]:
    blocks = [_without_index(block) for block in message.get("thinking_blocks") or []]
    blocks += _content_blocks(message.get("content"))
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        blocks.append(
            {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": _arguments(function)}
        )
    return blocks


def _user(message: Mapping[str, Any]) -> list[Json]:
    return _content_blocks(message.get("content"))


def _tool(message: Mapping[str, Any]) -> list[Json]:
    content = message.get("content")
    block: Json = {"type": "tool_result", "tool_use_id": message.get("tool_call_id")}
    block["content"] = content if isinstance(content, str) else _content_blocks(content)
    for name in ("is_error", "cache_control"):
        if message.get(name):
            block[name] = message[name]
    return [block]


def _content_blocks(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block for part in content or [] if (block := _block(part)) is not None]


def _block(part: Any) -> Json | None:
    """Parts of an unknown type are the vendor's own and passed on. Empty text, which Anthropic refuses, is None."""
    if not isinstance(part, dict):
        raise Refused("every part of a message must be an object", param="messages")
    kind = part.get("type")
    if kind in ("text", "refusal"):
        text = part.get(kind)
        block: Json | None = {"type": "text", "text": text} if text else None
    elif kind in _PARTS:
        block = _PARTS[kind](part)
    else:
        return part
    if block is not None and part.get("cache_control"):
        block["cache_control"] = part["cache_control"]
    return block


def _image(part: Json) -> Json:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        raise Refused("an image_url part needs a url", param="messages")
    if url.startswith("data:"):
        return {"type": "image", "source": _inline(url)}
    return {"type": "image", "source": {"type": "url", "url": url}}


def _file(part: Json) -> Json:
    file = part.get("file") or {}
    if not isinstance(file.get("file_data"), str):
        raise Refused("this model takes files only as file_data", param="messages")
    block: Json = {"type": "document", "source": _inline(file["file_data"])}
    return {**block, "title": file["filename"]} if file.get("filename") else block


def _inline(url: str) -> Json:
    head = _DATA_URL.match(url)
    if head is None:
        raise Refused("a data URL must hold base64", param="messages")
    return {"type": "base64", "media_type": head[1].lower(), "data": url[head.end() :]}


def _audio(_: Json) -> Json:
    raise Refused("this model does not hear", param="messages")


def _arguments(function: Mapping[str, Any]) -> Any:
    arguments = function.get("arguments") or "{}"
    try:
        return orjson.loads(arguments) if isinstance(arguments, str) else arguments
    except orjson.JSONDecodeError as error:
        raise Refused("the arguments of a tool call must be JSON", param="messages") from error


def _without_index(block: Mapping[str, Any]) -> Json:
    """Streams number the blocks, so that clients can put their deltas together."""
    return {name: value for name, value in block.items() if name != "index"}


_PARTS: dict[str, Callable[[Json], Json]] = {"image_url": _image, "file": _file, "input_audio": _audio}

_TURNS: dict[str, tuple[str, Callable[[Mapping[str, Any]], list[Json]]]] = {
    "user": ("user", _user),
    "assistant": ("assistant", _assistant),
    "tool": ("user", _tool),
}
