from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    ChatCompletionsCreateBody,
    ChatCompletionsGetParams,
    ChatCompletionsListParams,
    CompletionsCreateBody,
    EmbeddingsCreateBody,
)
from handlers.core import chat, completions, embeddings
from handlers.core.asks import ChatAsk, TextAsk
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.core.completions import Wanted
from handlers.core.errors import Invalid
from handlers.llama_stack_deprecated import stored
from handlers.llama_stack_deprecated.choices import HEAD, chat_choice, chat_chunk
from handlers.wire import openai_chat, openai_embeddings
from handlers.wire.llama.provider_data import key_wish
from handlers.wire.openai_chat import Style, pick
from handlers.wire.reply import EventStream, Reply

DEFAULT_LIMIT = 20
MOST_PROMPTS = 128
"""Each is a call of the vendor, one after another."""


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    ask = ChatAsk(
        models=(data["model"],),
        messages=data["messages"],
        options=_chat_options(data),
        keys=key_wish(call),
        store=True,
    )
    if data.get("stream"):
        stream = await chat.stream(ask, call)
        return openai_chat.event_stream(stream, _style(data, chat_chunk))
    answer = await chat.complete(ask, call)
    content = _head(answer) | {"choices": [chat_choice(choice) for choice in answer.body["choices"]]}
    return Reply(content, headers=openai_chat.marks(answer.attempt))


async def chat_completions_list(params: ChatCompletionsListParams, call: Call) -> dict[str, Any]:
    """A negative `limit` is all; one chat more than asked for tells whether there are more."""
    limit = DEFAULT_LIMIT if params.limit is None else params.limit
    wanted = Wanted(
        model=params.model,
        order=params.order or "desc",
        limit=limit + 1 if limit >= 0 else None,
        after=params.after,
    )
    found = await completions.list_chats(wanted, call)
    page = found[:limit] if limit >= 0 else found
    return {
        "object": "list",
        "data": [stored.render(chat) for chat in page],
        "has_more": len(found) > len(page),
        "first_id": page[0].id if page else "",
        "last_id": page[-1].id if page else "",
    }


async def chat_completions_get(params: ChatCompletionsGetParams, call: Call) -> dict[str, Any]:
    return stored.render(await completions.get_chat(params.completion_id, call))


async def completions_create(body: CompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    prompts, options = _prompts(data["prompt"]), _text_options(data)
    ask = TextAsk(models=(data["model"],), prompts=prompts, options=options, keys=key_wish(call))
    if data.get("stream"):
        stream = await chat.stream(ask, call)
        return openai_chat.event_stream(stream, _style(data, _text_chunk))
    answer = await chat.complete(ask, call)
    content = _head(answer) | {"choices": [_text_choice(choice) for choice in answer.body["choices"]]}
    return Reply(content, headers=openai_chat.marks(answer.attempt))


async def embeddings_create(body: EmbeddingsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    ask = replace(openai_embeddings.ask_of(data), keys=key_wish(call))
    embedded = await embeddings.embed(ask, call)
    return {
        "object": "list",
        "model": embedded.attempt.model.id,
        "data": openai_embeddings.data_of(embedded, data),
        "usage": pick(openai_chat.usage_body(embedded.usage), ("prompt_tokens", "total_tokens")),
    }


def _head(answer: Answer) -> dict[str, Any]:
    return pick(answer.body, HEAD) | {"usage": openai_chat.usage_body(answer.usage)}


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


def _text_chunk(chunk: dict[str, Any]) -> dict[str, Any]:
    choices = [_text_choice(choice) | {"finish_reason": choice.get("finish_reason")} for choice in chunk["choices"]]
    return pick(chunk, HEAD) | {"choices": choices}


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
