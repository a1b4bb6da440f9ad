"""Chat choices in the document's closed schemas, whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.wire.openai_chat import pick

HEAD = ("id", "object", "created", "model")
_TOOL_CALL = ("index", "id", "type", "function")


def chat_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    content = {"role": "assistant", **pick(message, ("content", "name"))}
    if message.get("tool_calls"):
        content["tool_calls"] = [tool_call(call) for call in message["tool_calls"]]
    rendered = {"index": choice["index"], "message": content, "finish_reason": choice.get("finish_reason") or "stop"}
    return rendered | _logprobs(choice)


def chat_chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    return pick(chunk, HEAD) | {"choices": [_chunk_choice(choice) for choice in chunk["choices"]]}


def _chunk_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """`finish_reason` is null up to the last chunk, as every client of such streams expects."""
    delta = pick(choice.get("delta") or {}, ("role", "content", "refusal"))
    if (choice.get("delta") or {}).get("tool_calls"):
        delta["tool_calls"] = [tool_call(call) for call in choice["delta"]["tool_calls"]]
    rendered = {"index": choice["index"], "delta": delta, "finish_reason": choice.get("finish_reason")}
    return rendered | _logprobs(choice)


def tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = pick(call.get("function") or {}, ("name", "arguments"))
    return {**pick(call, _TOOL_CALL), "type": "function", "function": function}


def _logprobs(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Chat choices carry `content` and `refusal`, lists of tokens; nothing when the vendor sent none."""
    given = choice.get("logprobs")
    if not given:
        return {}
    names = [name for name in ("content", "refusal") if given.get(name)]
    return {"logprobs": {name: [_token(entry) for entry in given[name]] for name in names}}


def _token(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = ("token", "bytes", "logprob")
    return {**pick(entry, names), "top_logprobs": [pick(top, names) for top in entry.get("top_logprobs") or []]}
