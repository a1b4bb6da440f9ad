from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from codegen.generated.llama_stack_deprecated.routes import (
    ResponsesCreateBody,
    ResponsesDeleteParams,
    ResponsesGetParams,
    ResponsesInputItemsListParams,
    ResponsesListParams,
)
from handlers.core import responses
from handlers.core.asks import Wishes
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.responses import Item, ItemPage, Response
from handlers.core.responses.shelf import Page
from handlers.wire import openai_chat
from handlers.wire import openai_responses as wire
from handlers.wire.llama.provider_data import key_wish
from handlers.wire.openai_chat import pick
from handlers.wire.reply import EventStream, Reply

_PAGE = 50
_ITEMS = 20
_FORMAT = ("type", "name", "schema", "description", "strict")
_WITH_ID = frozenset(
    {
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
    }
)


async def responses_create(body: ResponsesCreateBody, call: Call) -> Reply | EventStream | dict[str, Any]:
    """The document describes listing here; a body with `input` creates."""
    data: dict[str, Any] = body.data
    if "input" not in data:
        return await _list(data, call)
    iterations = data.get("max_infer_iters")
    if iterations is not None and iterations < 1:
        raise Invalid("max_infer_iters must be at least 1", param="max_infer_iters")
    ask = replace(wire.read_ask(data, call), wishes=Wishes(keys=key_wish(call)))
    if data.get("stream"):
        style = wire.Style(_render, opening=("response.created",), with_id=_WITH_ID, named=False, searching=())
        return wire.event_stream(await responses.stream(ask, call), style)
    created = await responses.create(ask, call)
    return Reply(_render(created.response), headers=openai_chat.marks(created.attempt))


async def responses_list(params: ResponsesListParams, call: Call) -> dict[str, Any]:
    asked = {"after": params.after, "limit": params.limit, "model": params.model, "order": params.order}
    return await _list(asked, call)


async def responses_get(params: ResponsesGetParams, call: Call) -> dict[str, Any]:
    return _render(await responses.get(params.response_id, call))


async def responses_delete(params: ResponsesDeleteParams, call: Call) -> dict[str, Any]:
    await responses.delete(params.response_id, call)
    return {"id": params.response_id, "object": "response", "deleted": True}


async def responses_input_items_list(params: ResponsesInputItemsListParams, call: Call) -> dict[str, Any]:
    """The newest first, unless asked otherwise."""
    limit = _limit(params.limit, _ITEMS)
    page = ItemPage(limit=limit, after=params.after, before=params.before, oldest_first=params.order == "asc")
    items, _ = await responses.input_items(params.response_id, page, call)
    wire.check_include(params.include)
    return {"object": "list", "data": _items(items)}


async def _list(asked: Mapping[str, Any], call: Call) -> dict[str, Any]:
    page = Page(
        limit=_limit(asked.get("limit"), _PAGE),
        after=asked.get("after"),
        model=asked.get("model"),
        newest_first=asked.get("order") != "asc",
    )
    found, has_more = await responses.list_responses(page, call)
    return {
        "object": "list",
        "data": [{**_render(response), "input": _items(response.input)} for response in found],
        "has_more": has_more,
        "first_id": found[0].id if found else "",
        "last_id": found[-1].id if found else "",
    }


def _limit(given: int | None, default: int) -> int | None:
    """A negative one is all, as in the API's other lists."""
    limit = default if given is None else given
    return None if limit < 0 else limit


def _render(response: Response) -> dict[str, Any]:
    shown = response.shown
    content = {
        "id": response.id,
        "object": "response",
        "created_at": int(response.created_at),
        "status": response.status,
        "model": response.model,
        "output": _items(response.output),
        "previous_response_id": response.previous_response_id,
        "error": response.error,
        "parallel_tool_calls": shown.get("parallel_tool_calls", True),
        "text": {"format": pick((shown.get("text") or {}).get("format") or {"type": "text"}, _FORMAT)},
        "temperature": shown.get("temperature"),
        "top_p": shown.get("top_p"),
        "truncation": shown.get("truncation"),
    }
    return {name: value for name, value in content.items() if value is not None}


def _items(items: Iterable[Item]) -> list[Item]:
    """The document has no reasoning: what another API shows of it is not shown here."""
    return [item for item in items if item["type"] != "reasoning"]
