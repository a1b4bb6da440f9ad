from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.maniac.routes import (
    ChatCompletionsCreateBody,
    ChatCompletionsListBody,
    ChatCompletionsListParams,
    ChatCompletionsRegisterBody,
    ChatCompletionsRetrieveParams,
)
from handlers.core import chat, completions, traces
from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.core.completions import Example, StoredChat, Wanted
from handlers.core.errors import Invalid
from handlers.core.routing import Attempt
from handlers.maniac.defaults import OURS, typed_messages, typed_options, vendor_options
from handlers.wire import openai_chat
from handlers.wire.openai_chat import Style
from handlers.wire.reply import EventStream, Reply

_FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "error"})
_REASONING = ("reasoning_content", "reasoning")


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, OURS, call)
    traces.note_trace(data.get("trace"), call)
    ask = _parse(data)
    if data.get("stream"):
        stream = await chat.stream(ask, call)
        edit = _without_reasoning if _hides_reasoning(data, stream.attempt) else None
        return openai_chat.event_stream(stream, Style(openai_chat.wants_usage(data), edit))
    answer = await chat.complete(ask, call)
    content = _render(answer, _hides_reasoning(data, answer.attempt))
    return Reply(content, headers=openai_chat.marks(answer.attempt))


async def chat_completions_list(
    params: ChatCompletionsListParams, body: ChatCompletionsListBody, call: Call
) -> dict[str, Any]:
    """The body, on a GET, holds members that a chat's metadata must have."""
    wanted = Wanted(
        model=params.model,
        container=params.container,
        metadata=body.data,
        order=params.order,
        limit=params.limit,
        offset=params.offset,
    )
    chats, total = await completions.list_chats(wanted, call), await completions.count_chats(wanted, call)
    return {"object": "list", "data": [_render_stored(stored) for stored in chats], "total": total}


async def chat_completions_retrieve(params: ChatCompletionsRetrieveParams, call: Call) -> dict[str, Any]:
    return _render_stored(await completions.get_chat(params.completion_id, call))


async def chat_completions_register(body: ChatCompletionsRegisterBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    examples = [_example(item) for item in data["items"]]
    done = await completions.register_chats(examples, data["container"], call)
    return {
        "ok": not done.failed,
        "container": done.container.label,
        "summary": {"inserted": done.inserted, "skipped": done.skipped, "failed": done.failed},
        "errors": done.errors,
    }


def _parse(data: Mapping[str, Any]) -> ChatAsk:
    """`model`, then the fallbacks of `models`; the document's default is to store."""
    models = tuple(name for name in (data.get("model"), *(data.get("models") or [])) if name)
    if not models:
        raise Invalid("model is required", param="model")
    messages, options = typed_messages(data["messages"]), vendor_options(data)
    return ChatAsk(models=models, messages=messages, options=options, store=data.get("store") is not False)


def _hides_reasoning(data: Mapping[str, Any], attempt: Attempt) -> bool:
    wish = data.get("reasoning") or (attempt.route.parameters.get("reasoning") if attempt.route else None)
    return bool((wish or {}).get("exclude"))


def _example(item: Mapping[str, Any]) -> Example:
    """What is said of an item itself goes before what its request and its answer say."""
    request, answer = item["input"], item.get("output")
    told = (request, answer or {}, item)
    metadata: dict[str, Any] = {}
    for part in told:
        metadata |= part.get("metadata") or {}
    tags = list(dict.fromkeys(tag for part in told for tag in part.get("tags") or []))
    hidden = ("messages", *OURS)
    rest = {name: value for name, value in request.items() if name not in hidden and value is not None}
    return Example(
        request={"messages": typed_messages(request["messages"]), **typed_options(rest)},
        answer=answer,
        metadata=metadata or None,
        tags=tags or None,
        trace=(answer or {}).get("trace") or request.get("trace"),
    )


def _render_stored(stored: StoredChat) -> dict[str, Any]:
    """`spend` is in USD."""
    answer = completions.answer_of(stored)
    return {
        "id": stored.id,
        "object": "chat.completion",
        "created": answer["created"],
        "model": stored.model,
        "choices": answer["choices"],
        "usage": answer["usage"],
        "provider": stored.provider,
        "container": stored.container,
        "spend": stored.cost_micros / 1_000_000,
        "tags": stored.tags,
        "metadata": stored.metadata,
        "trace": stored.trace,
    }


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
        "container": answer.attempt.route.container.label if answer.attempt.route else None,
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
