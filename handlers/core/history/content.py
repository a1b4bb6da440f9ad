"""What was said in a request, from wherever it was kept: a stored chat, a stored response, or captured messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.capture import messages
from handlers.core.completions import answer_of, request_of
from handlers.core.errors import Invalid
from handlers.core.responses.conversation import chat_of
from handlers.core.responses.response import ResponseAsk, from_stored
from storage.captured import CapturedMessage
from storage.ledger_record import Record
from storage.repositories.responses import StoredResponse

PREVIEW_LENGTH = 500
REPLAYABLE = ("chat", "response")


async def find_ask(record: Record, call: Call) -> ChatAsk:
    """The chat that the caller's project asked in the request, without its wishes. Raises `Invalid` for one that was no
    chat, or of which not all is known, and `NotFound` for a response that continues one which is gone."""
    if record.kind not in REPLAYABLE:
        raise Invalid(f"only chats can be replayed, and {record.request_id} is none", code="not_a_chat")
    services, project_id = call.services, call.caller.project_id
    if chat := await services.completions.made_by(project_id, record.request_id):
        return _chat(request_of(chat))
    stored = await services.responses.made_by(project_id, record.request_id)
    if stored is not None and (response := _response_ask(stored)):
        return await chat_of(response, call)
    captured = [
        one for one in await services.capture.messages.of_request(record.request_id) if one.project_id == project_id
    ]
    if request := messages.read_request(captured):
        return _chat(request)
    raise _unknown(record, captured)


async def find_preview(record: Record, call: Call) -> str | None:
    """The beginning of the answer, as far as it was kept."""
    if record.kind not in REPLAYABLE or record.project_id is None:
        return None
    text = await _find_answer(record, record.project_id, call)
    return text[:PREVIEW_LENGTH] if text else None


async def _find_answer(record: Record, project_id: str, call: Call) -> str | None:
    services = call.services
    if chat := await services.completions.made_by(project_id, record.request_id):
        choices = answer_of(chat).get("choices")
        content = choices[0]["message"].get("content") if choices else None
        return content if isinstance(content, str) else None
    if stored := await services.responses.made_by(project_id, record.request_id):
        return from_stored(stored).text
    captured = await services.capture.messages.of_request(record.request_id)
    return next((one.content for one in captured if one.kind == "response"), None)


def _chat(request: Mapping[str, Any]) -> ChatAsk:
    options = dict(request)
    models, said = options.pop("models"), options.pop("messages")
    return ChatAsk(models=tuple(models), messages=said, options=options)


def _response_ask(stored: StoredResponse) -> ResponseAsk | None:
    """None for one of before it was kept how it was asked."""
    response = from_stored(stored)
    if not response.asked:
        return None
    asked = response.asked
    return ResponseAsk(
        model=asked["model"],
        items=response.input,
        instructions=asked["instructions"],
        options=asked["options"],
        truncate=asked["truncate"],
        previous_response_id=response.previous_response_id,
    )


def _unknown(record: Record, captured: list[CapturedMessage]) -> Invalid:
    if any((one.redaction or {}).get("counts") for one in captured):
        message = f"{record.request_id} cannot be replayed: something was taken out of what is kept of it"
        return Invalid(message, code="content_redacted")
    if captured:
        message = f"{record.request_id} cannot be replayed: not all that was asked is kept"
        return Invalid(message, code="content_incomplete")
    message = f"{record.request_id} cannot be replayed: its content was neither stored nor captured"
    return Invalid(message, code="content_not_retained")
