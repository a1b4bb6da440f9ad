from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from codegen.generated.ipop.routes import (
    ResponsesCancelParams,
    ResponsesCreateBody,
    ResponsesDeleteParams,
    ResponsesGetParams,
    ResponsesInputItemsListParams,
    ResponsesInputTokensCountBody,
)
from handlers.core import responses
from handlers.core.asks import Usage
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.responses import Item, ItemPage, Response, ResponseAsk
from handlers.ipop import wishes
from handlers.wire import openai_chat
from handlers.wire import openai_responses as wire
from handlers.wire.openai_responses.includes import IMAGES
from handlers.wire.reply import EventStream, Reply

_OURS = ("metadata", "store")


async def responses_create(body: ResponsesCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, _OURS, call)
    ask = _parse(data, call)
    if ask.background:
        created = await responses.enqueue(ask, call)
        if ask.stream:
            return wire.event_stream(await responses.follow_new(created, call), _STYLE)
    elif ask.stream:
        return wire.event_stream(await responses.stream(ask, call), _STYLE)
    else:
        created = await responses.create(ask, call)
    return Reply(_render(created.response), headers=openai_chat.marks(created.attempt))


async def responses_input_tokens_count(body: ResponsesInputTokensCountBody, call: Call) -> dict[str, Any]:
    counted = await responses.count_input(wire.read_ask(body.data, call), call)
    return {"object": "response.input_tokens", "input_tokens": counted, "input_tokens_details": {"cached_tokens": 0}}


async def responses_get(params: ResponsesGetParams, call: Call) -> dict[str, Any] | EventStream:
    """As a stream, one in the background is told again: from its beginning or from behind `starting_after` on, to its
    end, which may be still to come."""
    wire.check_include(params.include)
    if params.stream:
        events = await responses.follow(params.response_id, call)
        return EventStream(wire.frames(events, _STYLE, -1 if params.starting_after is None else params.starting_after))
    if params.starting_after is not None:
        raise Invalid("starting_after is for streams", param="starting_after")
    return _render(await responses.get(params.response_id, call))


async def responses_delete(params: ResponsesDeleteParams, call: Call) -> dict[str, Any]:
    await responses.delete(params.response_id, call)
    return {"id": params.response_id, "object": "response", "deleted": True}


async def responses_cancel(params: ResponsesCancelParams, call: Call) -> dict[str, Any]:
    return _render(await responses.cancel(params.response_id, call))


async def responses_input_items_list(params: ResponsesInputItemsListParams, call: Call) -> dict[str, Any]:
    """Pictures, which may be large, only where they are asked for."""
    page = ItemPage(limit=params.limit, after=params.after, oldest_first=params.order == "asc")
    items, has_more = await responses.input_items(params.response_id, page, call)
    include = params.include or []
    wire.check_include(include)
    data = items if IMAGES in include else [_without_pictures(item) for item in items]
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {}
    return {"object": "list", "data": data, "has_more": has_more, **ends}


def _parse(data: dict[str, Any], call: Call) -> ResponseAsk:
    metadata = data.get("metadata") or {}
    wishes.refuse_hashed_tools(data, metadata)
    ask = wire.read_ask(data, call)
    options = wishes.fill_in(dict(ask.options), metadata)
    return replace(ask, options=options, wishes=wishes.read(metadata, call))


def _without_pictures(item: Item) -> Item:
    if item["type"] != "message":
        return item
    parts = [{name: value for name, value in part.items() if name != "image_url"} for part in item["content"]]
    return {**item, "content": parts}


def _render(response: Response) -> dict[str, Any]:
    content = {
        "id": response.id,
        "object": "response",
        "created_at": int(response.created_at),
        "status": response.status,
        "background": response.in_background,
        "model": response.model,
        "output": list(response.output),
        "output_text": response.text,
        "usage": _usage(response.usage or Usage(0, 0)),
        "previous_response_id": response.previous_response_id,
        "error": response.error,
        **_asked(response.shown),
    }
    if response.incomplete_reason:
        content["incomplete_details"] = {"reason": response.incomplete_reason}
    return {name: value for name, value in content.items() if value is not None}


_STYLE = wire.Style(_render)


def _asked(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shown.get(name) for name in ("instructions", "metadata", "service_tier", "store")}


def _usage(usage: Usage) -> dict[str, Any]:
    details = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens:
        details["cache_creation_input_tokens"] = usage.cache_write_tokens
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": details,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
