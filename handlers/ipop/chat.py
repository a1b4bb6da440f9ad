from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.ipop.routes import ChatCompletionsCreateBody
from handlers.core import chat
from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.errors import NotImplementedYet
from handlers.ipop import wishes
from handlers.ipop.metadata import answered, routed
from handlers.wire import openai_chat
from handlers.wire.openai_chat import Style
from handlers.wire.reply import EventStream, Reply

_OURS = ("metadata", "store")


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, _OURS, call)
    ask = _parse(data, call)
    metadata = data.get("metadata") or {}
    if data.get("stream"):
        stream = await chat.stream(ask, call)
        style = Style(
            openai_chat.wants_usage(data) or metadata.get("include_route_metadata") is True,
            closing=lambda: {"ipop": _ipop(metadata, stream, call)},
        )
        return openai_chat.event_stream(stream, style)
    return reply_of(await chat.complete(ask, call), metadata, call)


def reply_of(answer: chat.Answer, metadata: Mapping[str, Any], call: Call) -> Reply:
    whole = openai_chat.pick(openai_chat.whole(answer), ("id", "object", "created", "model", "choices", "usage"))
    content = {**whole, "ipop": _ipop(metadata, answer, call)}
    return Reply(content, headers=openai_chat.marks(answer.attempt))


def _parse(data: Mapping[str, Any], call: Call) -> ChatAsk:
    metadata = data.get("metadata") or {}
    _refuse_unsupported(data, metadata)
    wanted = wishes.read(metadata, call)
    return ChatAsk(
        models=(data["model"],),
        messages=data["messages"],
        options=wishes.fill_in(openai_chat.options_of(data, ("tool_resources", *_OURS)), metadata),
        **wanted.as_arguments,
    )


def _refuse_unsupported(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
    """What a request depends on and this server does not have; hints about latency and caching are hints, and are
    recorded."""
    if any(tool.get("type") == "file_search" for tool in data.get("tools") or []) or data.get("tool_resources"):
        raise NotImplementedYet("the file_search tool is not available on this server", param="tools")
    wishes.refuse_hashed_tools(data, metadata)


def _ipop(metadata: Mapping[str, Any], answer: chat.Answer | chat.Stream, call: Call) -> dict[str, Any]:
    """How the request was answered."""
    account = answered(call, answer.meter.cost_micros) | {"cache_hit": answer.meter.cached}
    return account | routed(metadata, answer.attempt.ask, answer.attempt, call)
