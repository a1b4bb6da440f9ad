"""An answer as OpenAI's JSON: whole, or as the chunks of a stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from providers.inference.interface import Usage
from providers.inference.simulator.answer import Answer, ToolCall, joined


@dataclass(frozen=True, slots=True)
class Head:
    id: str
    created: int
    model: str

    def body(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "simulator",
            "choices": choices,
        }


def chat_body(head: Head, answers: Sequence[Answer], usage: Usage) -> dict[str, Any]:
    choices = [
        {
            "index": index,
            "message": _message(answer),
            "logprobs": None if answer.logprobs is None else {"content": answer.logprobs, "refusal": None},
            "finish_reason": answer.finish_reason,
        }
        for index, answer in enumerate(answers)
    ]
    return {**head.body("chat.completion", choices), "usage": usage_body(usage)}


def chat_chunks(head: Head, answers: Sequence[Answer], usage: Usage) -> Iterator[dict[str, Any]]:
    for index, answer in enumerate(answers):
        for delta, logprob in _deltas(answer):
            choice = {"index": index, "delta": delta, "logprobs": logprob, "finish_reason": None}
            yield head.body("chat.completion.chunk", [choice])
        last = {"index": index, "delta": {}, "logprobs": None, "finish_reason": answer.finish_reason}
        yield head.body("chat.completion.chunk", [last])
    yield {**head.body("chat.completion.chunk", []), "usage": usage_body(usage)}


def text_body(head: Head, answers: Sequence[Answer], usage: Usage) -> dict[str, Any]:
    choices = [_text_choice(index, answer, 0, len(answer.content)) for index, answer in enumerate(answers)]
    return {**head.body("text_completion", choices), "usage": usage_body(usage)}


def text_chunks(head: Head, answers: Sequence[Answer], usage: Usage) -> Iterator[dict[str, Any]]:
    for index, answer in enumerate(answers):
        for start in range(len(answer.content)):
            choice = _text_choice(index, answer, start, start + 1)
            yield head.body("text_completion", [{**choice, "finish_reason": None}])
        end = len(answer.content)
        yield head.body("text_completion", [_text_choice(index, answer, end, end)])
    yield {**head.body("text_completion", []), "usage": usage_body(usage)}


def usage_body(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _message(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None if answer.calls else answer.text, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = joined(answer.reasoning)
    if answer.calls:
        message["tool_calls"] = [_call(call, joined(call.arguments)) for call in answer.calls]
    return message


def _deltas(answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Each delta with its log-probabilities."""
    yield {"role": "assistant", "content": None if answer.calls else ""}, None
    for piece in answer.reasoning:
        yield {"reasoning_content": piece.text}, None
    for number, piece in enumerate(answer.content):
        entry = {"content": [answer.logprobs[number]], "refusal": None} if answer.logprobs else None
        yield {"content": piece.text}, entry
    for number, call in enumerate(answer.calls):
        yield {"tool_calls": [{"index": number, **_call(call, "")}]}, None
        for piece in call.arguments:
            yield {"tool_calls": [{"index": number, "function": {"arguments": piece.text}}]}, None


def _call(call: ToolCall, arguments: str) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _text_choice(index: int, answer: Answer, start: int, end: int) -> dict[str, Any]:
    return {
        "index": index,
        "text": joined(answer.content[start:end]),
        "logprobs": _text_logprobs(answer, start, end),
        "finish_reason": answer.finish_reason,
    }


def _text_logprobs(answer: Answer, start: int, end: int) -> dict[str, Any] | None:
    if answer.logprobs is None:
        return None
    entries = answer.logprobs[start:end]
    offset, offsets = len(joined(answer.content[:start])), []
    for piece in answer.content[start:end]:
        offsets.append(offset)
        offset += len(piece.text)
    return {
        "tokens": [entry["token"] for entry in entries],
        "token_logprobs": [entry["logprob"] for entry in entries],
        "top_logprobs": [{top["token"]: top["logprob"] for top in entry["top_logprobs"]} for entry in entries],
        "text_offset": offsets,
    }
