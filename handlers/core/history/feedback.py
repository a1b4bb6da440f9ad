"""What callers thought of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.history.records import get_record
from storage.repositories.feedback import Opinion
from storage.tables.types import instant

__all__ = ["Opinion"]

LONGEST_NOTES = 10_000
LONGEST_WORD = 256
MOST_SHOWN = 1_000


async def give_feedback(request_id: str, told: Mapping[str, Any], call: Call) -> None:
    """`told` holds any of `rating`, `outcome`, `task_type` and `notes`. Raises `NotFound` and `Invalid`."""
    record = await get_record(request_id, call)
    for name, most in (("notes", LONGEST_NOTES), ("outcome", LONGEST_WORD), ("task_type", LONGEST_WORD)):
        text = told.get(name) or ""
        if len(text) > most or "\0" in text:
            raise Invalid(f"{name} must be at most {most} characters long, without NUL", param=name)
    if all(told.get(name) is None for name in ("rating", "outcome", "task_type", "notes")):
        raise Invalid("there is nothing in this feedback", code="empty_feedback")
    await call.services.feedback.insert(
        Opinion(
            request_id=record.request_id,
            project_id=call.caller.project_id,
            key_id=call.caller.key_id,
            model=record.model or record.requested_model or "",
            created_at=instant(call.services.clock()),
            rating=told.get("rating"),
            outcome=told.get("outcome"),
            task_type=told.get("task_type"),
            notes=told.get("notes"),
        )
    )


async def list_feedback(request_id: str, call: Call) -> list[Opinion]:
    """The newest `MOST_SHOWN` of them. Raises `NotFound`."""
    record = await get_record(request_id, call)
    return await call.services.feedback.list(record.request_id, MOST_SHOWN)
