"""The requests of a project that asked a model, newest first."""

from __future__ import annotations

from collections.abc import AsyncIterator

from handlers.core.call import Call
from handlers.core.errors import NotFound
from storage.ledger_record import Record
from storage.repositories.history import Place, Which

__all__ = ["Place", "Record", "Which"]


async def list_records(which: Which, call: Call, *, limit: int, after: str | None = None) -> list[Record]:
    """`after` is the id of the last request of the page before. Raises `NotFound` for one that is not there."""
    return await call.services.history.page(which, limit, await find_place(after, which, call))


async def get_record(request_id: str, call: Call) -> Record:
    """Of the caller's project, or of any for an admin. Raises `NotFound`."""
    project_id = None if call.caller.admin else call.caller.project_id
    found = None if "\0" in request_id else await call.services.history.get(request_id, project_id)
    if found is None:
        raise NotFound(f"there is no request {request_id}", code="request_not_found")
    return found


async def walk_records(which: Which, call: Call, after: str | None = None) -> AsyncIterator[list[Record]]:
    """Pages of all that there are. Raises as `list_records` does, before the first."""
    return call.services.history.walk(which, await find_place(after, which, call))


async def find_place(request_id: str | None, which: Which, call: Call) -> Place | None:
    if request_id is None:
        return None
    place = None if "\0" in request_id else await call.services.history.place(request_id, which.project_id)
    if place is None:
        raise no_such_cursor()
    return place


def no_such_cursor() -> NotFound:
    return NotFound("the cursor names no place in this list", code="cursor_not_found", param="cursor")
