from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

_STOP_REASONS = {"length": "out_of_tokens", "tool_calls": "end_of_message", "function_call": "end_of_message"}


def stop_reason(finish_reason: Any) -> str:
    """`end_of_message` is a turn that waits for a tool's answer."""
    return _STOP_REASONS.get(str(finish_reason), "end_of_turn")


def chat_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """`ChatCompletionResponse`. A call whose arguments were cut off or are no object is shown as the text it is."""
    choice = body["choices"][0]
    message = choice["message"]
    calls, broken = [], []
    for tool_call in message.get("tool_calls") or []:
        parsed = parse_tool_call(tool_call)
        if parsed is None:
            broken.append(broken_call(tool_call))
        else:
            calls.append(parsed)
    completion_message = {
        "role": "assistant",
        "content": "\n".join(text for text in (_text(message.get("content")), *broken) if text),
        "stop_reason": stop_reason(choice.get("finish_reason")),
        "tool_calls": calls,
    }
    return {"completion_message": completion_message} | chat_logprobs(choice)


def text_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """`CompletionResponse`."""
    choice = body["choices"][0]
    content = {"content": choice["text"], "stop_reason": stop_reason(choice.get("finish_reason"))}
    return content | text_logprobs(choice)


def parse_tool_call(tool_call: Mapping[str, Any]) -> dict[str, Any] | None:
    """`ToolCall`, or None when the arguments are not a JSON object."""
    function = tool_call.get("function") or {}
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError:
        return None
    if not isinstance(arguments, dict):
        return None
    return {"call_id": tool_call.get("id") or "", "tool_name": function.get("name") or "", "arguments": arguments}


def broken_call(tool_call: Mapping[str, Any]) -> str:
    """A call that cannot be parsed, as text."""
    function = tool_call.get("function") or {}
    return orjson.dumps({name: function.get(name) for name in ("name", "arguments")}).decode()


def chat_logprobs(choice: Mapping[str, Any]) -> dict[str, Any]:
    """`{"logprobs": [TokenLogProbs, ...]}`, or nothing; the chosen token is always among the alternatives."""
    entries = (choice.get("logprobs") or {}).get("content")
    if not entries:
        return {}
    return {"logprobs": [_by_token([*(entry.get("top_logprobs") or []), entry]) for entry in entries]}


def text_logprobs(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The same from the parallel lists of OpenAI's text completions."""
    given = choice.get("logprobs") or {}
    tokens, values = given.get("tokens") or [], given.get("token_logprobs") or []
    if not tokens:
        return {}
    tops = given.get("top_logprobs") or [None] * len(tokens)
    found = zip(tokens, values, tops, strict=False)
    return {"logprobs": [{"logprobs_by_token": {**(top or {}), t: v}} for t, v, top in found if v is not None]}


def _by_token(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"logprobs_by_token": {entry["token"]: entry["logprob"] for entry in entries}}


def _text(content: Any) -> str:
    """Some vendors answer in parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""
