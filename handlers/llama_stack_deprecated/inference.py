from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    ChatCompletionsCreateBody,
    CompletionsCreateBody,
    EmbeddingsCreateBody,
)
from handlers.core import chat, embeddings
from handlers.core.asks import ChatAsk, TextAsk
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.core.errors import Invalid
from handlers.wire import openai_chat, openai_embeddings
from handlers.wire.openai_chat import Style, pick
from handlers.wire.reply import EventStream, Reply

_HEAD = ("id", "object", "created", "model")
_TOOL_CALL = ("index", "id", "type", "function")
MOST_PROMPTS = 128
"""Each is a call of the vendor, one after another."""


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    ask = ChatAsk(models=(data["model"],), messages=data["messages"], options=_chat_options(data))
    if data.get("stream"):
        stream = await chat.stream(ask, call)
        return openai_chat.event_stream(stream, _style(data, _chat_chunk))
    answer = await chat.complete(ask, call)
    content = _head(answer) | {"choices": [_chat_choice(choice) for choice in answer.body["choices"]]}
    return Reply(content, headers=openai_chat.marks(answer.attempt))


async def completions_create(body: CompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    ask = TextAsk(models=(data["model"],), prompts=_prompts(data["prompt"]), options=_text_options(data))
    if data.get("stream"):
        stream = await chat.stream(ask, call)
        return openai_chat.event_stream(stream, _style(data, _text_chunk))
    answer = await chat.complete(ask, call)
    content = _head(answer) | {"choices": [_text_choice(choice) for choice in answer.body["choices"]]}
    return Reply(content, headers=openai_chat.marks(answer.attempt))


async def embeddings_create(body: EmbeddingsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    embedded = await embeddings.embed(openai_embeddings.ask_of(data), call)
    return {
        "object": "list",
        "model": embedded.attempt.model.id,
        "data": openai_embeddings.data_of(embedded, data),
        "usage": pick(openai_chat.usage_body(embedded.usage), ("prompt_tokens", "total_tokens")),
    }


def _head(answer: Answer) -> dict[str, Any]:
    return pick(answer.body, _HEAD) | {"usage": openai_chat.usage_body(answer.usage)}


def _style(data: Mapping[str, Any], edit: Any) -> Style:
    """No `[DONE]`: the API's own client parses every event as JSON, and OpenAI's ends with the body."""
    return Style(openai_chat.wants_usage(data), edit, done=False)


def _chat_options(data: Mapping[str, Any]) -> dict[str, Any]:
    """`functions` and `function_call` are the forebears of `tools` and `tool_choice`, and answered as those."""
    options = openai_chat.options_of(data)
    functions = options.pop("functions", None)
    wanted = options.pop("function_call", None)
    if functions:
        tools = [{"type": "function", "function": function} for function in functions]
        options["tools"] = [*options.get("tools", []), *tools]
    if wanted is not None:
        choice = wanted if isinstance(wanted, str) else {"type": "function", "function": wanted}
        options.setdefault("tool_choice", choice)
    return options


def _prompts(prompt: Any) -> tuple[str, ...]:
    prompts = (prompt,) if isinstance(prompt, str) else tuple(prompt)
    if not prompts:
        raise Invalid("prompt must not be empty", param="prompt")
    if len(prompts) > MOST_PROMPTS:
        raise Invalid(f"one request completes at most {MOST_PROMPTS} prompts", param="prompt")
    if not all(isinstance(text, str) for text in prompts):
        message = "prompts of token ids are not taken: models differ in their vocabularies"
        raise Invalid(message, code="token_prompts_not_supported", param="prompt")
    return prompts


def _text_options(data: Mapping[str, Any]) -> dict[str, Any]:
    """The document's `logprobs` is a switch, OpenAI's the number of alternatives."""
    options = openai_chat.options_of(data)
    if "logprobs" in options:
        options["logprobs"] = int(options["logprobs"])
        if not options["logprobs"]:
            del options["logprobs"]
    return options


def _chat_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    message = choice["message"]
    content = {"role": "assistant", **pick(message, ("content", "name"))}
    if message.get("tool_calls"):
        content["tool_calls"] = [_tool_call(tool_call) for tool_call in message["tool_calls"]]
    rendered = {"index": choice["index"], "message": content, "finish_reason": choice.get("finish_reason") or "stop"}
    return rendered | _logprobs(choice)


def _chat_chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    return pick(chunk, _HEAD) | {"choices": [_chunk_choice(choice) for choice in chunk["choices"]]}


def _chunk_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    """`finish_reason` is null up to the last chunk, as every client of such streams expects."""
    delta = pick(choice.get("delta") or {}, ("role", "content", "refusal"))
    if (choice.get("delta") or {}).get("tool_calls"):
        delta["tool_calls"] = [_tool_call(tool_call) for tool_call in choice["delta"]["tool_calls"]]
    rendered = {"index": choice["index"], "delta": delta, "finish_reason": choice.get("finish_reason")}
    return rendered | _logprobs(choice)


def _tool_call(tool_call: Mapping[str, Any]) -> dict[str, Any]:
    function = pick(tool_call.get("function") or {}, ("name", "arguments"))
    return {**pick(tool_call, _TOOL_CALL), "type": "function", "function": function}


def _logprobs(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Chat choices carry `content` and `refusal`, lists of tokens; nothing when the vendor sent none."""
    given = choice.get("logprobs")
    if not given:
        return {}
    return {"logprobs": {name: [_token(entry) for entry in entries] for name, entries in given.items() if entries}}


def _token(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = ("token", "bytes", "logprob")
    return {**pick(entry, names), "top_logprobs": [pick(top, names) for top in entry.get("top_logprobs") or []]}


def _text_chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = [_text_choice(choice) | {"finish_reason": choice.get("finish_reason")} for choice in chunk["choices"]]
    return pick(chunk, _HEAD) | {"choices": choices}


def _text_choice(choice: Mapping[str, Any]) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "index": choice["index"],
        "text": choice["text"],
        "finish_reason": choice.get("finish_reason") or "stop",
    }
    given = choice.get("logprobs")
    if given:
        rendered["logprobs"] = {"content": _text_tokens(given)}
    return rendered


def _text_tokens(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From the parallel lists of OpenAI's text completions. The first token of an echoed prompt has no probability:
    it was not predicted, and is left out."""
    tokens, values = given.get("tokens") or [], given.get("token_logprobs") or []
    tops = given.get("top_logprobs") or [None] * len(tokens)
    return [
        {"token": token, "logprob": value, "top_logprobs": [{"token": t, "logprob": p} for t, p in (top or {}).items()]}
        for token, value, top in zip(tokens, values, tops, strict=False)
        if value is not None
    ]
