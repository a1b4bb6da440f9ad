"""Asking again what was asked before."""

from __future__ import annotations

from typing import Any

from handlers.core import chat
from handlers.core.asks import ChatAsk, Steering
from handlers.core.call import Call
from handlers.core.chat import Answer
from handlers.core.completions import request_of
from handlers.core.errors import Invalid
from handlers.core.history.records import Record, get_record


async def repeat(request_id: str, call: Call) -> Answer:
    """Sends the request again, as a new one that says which it repeats. Raises `NotFound`, `Invalid` for one that was
    no chat or whose content is not known, and what `chat.complete` says."""
    record = await get_record(request_id, call)
    ask = await _ask_of(record, call)
    call.record.replay_of = record.request_id
    return await chat.complete(ask, call)


async def _ask_of(record: Record, call: Call) -> ChatAsk:
    if record.kind != "chat":
        raise Invalid(f"only chats can be replayed, and {record.request_id} is none", code="not_a_chat")
    stored = await call.services.completions.made_by(call.caller.project_id, record.request_id)
    if stored is None:
        message = f"the content of {record.request_id} was not kept: only chats with `store` can be replayed"
        raise Invalid(message, code="content_not_retained")
    request: dict[str, Any] = {**request_of(stored)}
    models, messages = request.pop("models"), request.pop("messages")
    return ChatAsk(models=tuple(models), messages=messages, options=request, steering=Steering(cache="bypass"))
