"""Responses that were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from handlers.core.responses import background
from handlers.core.responses.response import Item, Response, from_stored
from storage.repositories.responses import Page

__all__ = ["ItemPage", "Page", "cancel", "delete", "get", "input_items", "list_responses"]


@dataclass(frozen=True, slots=True)
class ItemPage:
    """`limit` None is all; `after` and `before` are ids of items, exclusive."""

    limit: int | None = None
    after: str | None = None
    before: str | None = None
    oldest_first: bool = True


async def get(response_id: str, call: Call) -> Response:
    stored = await call.services.responses.get(call.caller.project_id, response_id)
    if stored is None:
        raise _missing(response_id)
    return from_stored(stored)


async def delete(response_id: str, call: Call) -> None:
    """One in the background is stopped; any other that runs goes on to its end, which is then not kept."""
    response = await get(response_id, call)
    if response.in_background:
        await background.forget(response, call)
    if not await call.services.responses.delete(call.caller.project_id, response_id):
        raise _missing(response_id)


async def cancel(response_id: str, call: Call) -> Response:
    """Ends a response that runs, within about a second. Raises `Invalid` for one that has ended otherwise."""
    response = await get(response_id, call)
    if response.is_running and await call.services.responses.cancel(call.caller.project_id, response.id):
        if response.in_background:
            await background.stop(response, call)
        return await get(response_id, call)
    response = await get(response_id, call)
    if response.status != "cancelled":
        raise Invalid(f"the response {response_id} is {response.status}", code="response_not_running")
    return response


async def list_responses(page: Page, call: Call) -> tuple[list[Response], bool]:
    """A page, and whether there is more behind it. Raises `NotFound` for an `after` that is not there."""
    wanted = Page(None if page.limit is None else page.limit + 1, page.after, page.model, page.newest_first)
    found = await call.services.responses.list(call.caller.project_id, wanted)
    if found is None:
        raise _missing(str(page.after))
    return [from_stored(stored) for stored in found[: page.limit]], len(found) > len(found[: page.limit])


async def input_items(response_id: str, page: ItemPage, call: Call) -> tuple[list[Item], bool]:
    """A page of what the response itself was asked, without what it continues, and whether there is more."""
    response = await get(response_id, call)
    items = list(response.input) if page.oldest_first else list(reversed(response.input))
    if page.after is not None:
        items = items[_place(items, page.after) + 1 :]
    if page.before is not None:
        items = items[: _place(items, page.before)]
    return items[: page.limit], len(items) > len(items[: page.limit])


def _place(items: Sequence[Item], item_id: str) -> int:
    for place, item in enumerate(items):
        if item["id"] == item_id:
            return place
    raise NotFound(f"there is no item {item_id}")


def _missing(response_id: str) -> NotFound:
    return NotFound(f"there is no response {response_id}", code="response_not_found", param="response_id")
