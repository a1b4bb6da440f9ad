"""Asking again what was asked before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from handlers.core import chat
from handlers.core.asks import Wishes
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.core.history.content import find_ask
from handlers.core.history.records import Record, get_record


async def repeat(request_id: str, wishes_of: Callable[[Record], Wishes], call: Call) -> Answer:
    """Sends the request again, as a new one that says which it repeats; `wishes_of` reads what its client wanted of the
    way to the answer. An answer that was kept will not do. Raises `NotFound`, what `find_ask` and `chat.complete`
    say."""
    record = await get_record(request_id, call)
    asked, wishes = await find_ask(record, call), wishes_of(record)
    call.record.replay_of = record.request_id
    wishes = replace(wishes, steering=replace(wishes.steering, cache="bypass"))
    return await chat.complete(replace(asked, **wishes.as_arguments), call)
