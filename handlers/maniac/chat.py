from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.maniac.routes import ChatCompletionsCreateBody
from handlers.core import chat
from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.catalog import fold
from handlers.core.chat import Answer
from handlers.core.errors import Invalid, NotFound
from handlers.wire import openai_chat
from handlers.wire.openai_chat import Style
from handlers.wire.reply import EventStream, Reply

_OURS = ("metadata", "tags", "store", "trace")
_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "error"})
_REASONING = ("reasoning_content", "reasoning")


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, _OURS, call)
    hide_reasoning = bool((data.get("reasoning") or {}).get("exclude"))
    ask = ChatAsk(models=_models(data), messages=data["messages"], options=_options(data))
    if data.get("stream"):
        edit = _without_reasoning if hide_reasoning else None
        return openai_chat.event_stream(await chat.stream(ask, call), Style(openai_chat.wants_usage(data), edit))
    answer = await chat.complete(ask, call)
    return Reply(_render(answer, hide_reasoning), headers=openai_chat.marks(answer.attempt))


def _models(data: Mapping[str, Any]) -> tuple[str, ...]:
    """`model`, then the fallbacks of `models`."""
    models = tuple(name for name in (data.get("model"), *(data.get("models") or [])) if name)
    if not models:
        raise Invalid("model is required", param="model")
    for name in models:
        if fold(name).startswith("maniac/"):
            raise NotFound(f"there is no container {name}", code="container_not_found", param="model")
    return models


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    """The document's numbers may be `16.0` where OpenAI's API has whole ones; `reasoning.effort` is renamed."""
    options = openai_chat.options_of(data, ("models", *_OURS))
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
    return options


def _render(answer: Answer, hide_reasoning: bool) -> dict[str, Any]:
    whole = openai_chat.whole(answer)
    return {
        "id": whole["id"],
        "object": "chat.completion",
        "created": whole["created"],
        "model": whole["model"],
        "choices": [_choice(choice, hide_reasoning) for choice in whole["choices"]],
        "usage": whole["usage"],
        "provider": answer.attempt.deployment.vendor,
    }


def _choice(choice: Mapping[str, Any], hide_reasoning: bool) -> dict[str, Any]:
    reason = choice.get("finish_reason")
    message = {name: value for name, value in choice["message"].items() if not (hide_reasoning and name in _REASONING)}
    return {
        "index": choice["index"],
        "message": message,
        "finish_reason": reason if reason is None or reason in _FINISH_REASONS else "stop",
        "logprobs": choice.get("logprobs"),
    }


def _without_reasoning(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = [
        {**choice, "delta": {name: value for name, value in choice["delta"].items() if name not in _REASONING}}
        for choice in chunk["choices"]
    ]
    return {**chunk, "choices": choices}
