from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.ipop.routes import ChatCompletionsCreateBody
from handlers.core import chat, file_search
from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.ipop import wishes
from handlers.ipop.metadata import answered, routed
from handlers.wire import file_search as wire
from handlers.wire import openai_chat
from handlers.wire.openai_chat import Style
from handlers.wire.reply import EventStream, Reply

_OURS = ("metadata", "store")
_NOT_OPTIONS = frozenset({"tool_resources", *_OURS})


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, _OURS, call)
    ask = _parse(data, call)
    metadata = data.get("metadata") or {}
    search = wire.read(data.get("tools"), data.get("tool_choice"), data.get("tool_resources"))
    if data.get("stream"):
        stream = await file_search.stream(ask, search, call)
        style = Style(
            openai_chat.wants_usage(data) or metadata.get("include_route_metadata") is True,
            edit=None if search is None else _without_searches,
            closing=lambda: {"ipop": _ipop(metadata, stream, call)},
        )
        return openai_chat.event_stream(stream, style)
    return reply_of(await file_search.complete(ask, search, call), metadata, call)


def reply_of(answer: chat.Answer, metadata: Mapping[str, Any], call: Call) -> Reply:
    whole = openai_chat.pick(openai_chat.whole(answer), ("id", "object", "created", "model", "choices", "usage"))
    for choice in whole["choices"]:
        choice["message"].pop("file_search", None)
    content = {**whole, "ipop": _ipop(metadata, answer, call)}
    return Reply(content, headers=openai_chat.marks(answer.attempt))


def _parse(data: Mapping[str, Any], call: Call) -> ChatAsk:
    metadata = data.get("metadata") or {}
    wishes.refuse_hashed_tools(data, metadata)
    wanted = wishes.read(metadata, call)
    return ChatAsk(
        models=(data["model"],),
        messages=data["messages"],
        options=wishes.fill_in(_options(data), metadata),
        **wanted.as_arguments,
    )


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    """Without the tool that this server runs by itself."""
    options = openai_chat.options_of(data, _NOT_OPTIONS)
    if "tools" in options:
        functions = [tool for tool in options["tools"] if tool.get("type") != wire.TYPE]
        if len(functions) < len(options["tools"]):
            options["tools"] = functions
            if not functions:
                del options["tools"]
    if wire.is_named(options.get("tool_choice")):
        del options["tool_choice"]
    return options


def _without_searches(chunk: dict[str, Any]) -> dict[str, Any]:
    """A chat has no word for them; what they found is cited."""
    for choice in chunk.get("choices") or []:
        choice["delta"].pop("file_search", None)
    return chunk


def _ipop(metadata: Mapping[str, Any], answer: chat.Answer | chat.Stream, call: Call) -> dict[str, Any]:
    """How the request was answered."""
    account = answered(call, answer.meter.cost_micros) | {"cache_hit": answer.meter.cached}
    return account | routed(metadata, answer.attempt.ask, answer.attempt, call)
