"""The conversation that a response answers, as a chat's messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.core.asks import ChatAsk
from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound
from handlers.core.models import find_model
from handlers.core.responses.response import Item, ResponseAsk
from providers import tokens
from providers.inference.interface import Message
from storage.repositories.responses import StoredResponse

CONTINUABLE = ("completed", "incomplete")


async def chat_of(ask: ResponseAsk, call: Call) -> ChatAsk:
    """Raises `NotFound` for a `previous_response_id` that is not there, or continues one that was deleted, and
    `Invalid` for one that did not come to an end, and for a conversation that is none."""
    earlier = await _earlier(ask.previous_response_id, call)
    items = [*earlier, *ask.items]
    _check_calls(items)
    messages = messages_of([*ask.instructions, *items])
    if not messages:
        raise Invalid("input must not be empty", param="input")
    if ask.truncate:
        messages = await _fit(messages, ask, call)
    return ChatAsk(models=(ask.model,), messages=messages, options=ask.options, **ask.wishes.as_arguments)


async def _earlier(previous_response_id: str | None, call: Call) -> list[Item]:
    """Inputs and outputs of the whole chain; each response's instructions were for itself alone."""
    if previous_response_id is None:
        return []
    chain = await call.services.responses.chain(call.caller.project_id, previous_response_id)
    if not chain:
        raise _missing(f"there is no response {previous_response_id}")
    if chain[0].previous_response_id is not None:
        raise _missing(f"{previous_response_id} continues the response {chain[0].previous_response_id}, which is gone")
    _check_ended(chain[-1])
    return [item for link in chain for item in (*link.content["input"], *link.content["output"])]


def _check_ended(previous: StoredResponse) -> None:
    if previous.status not in CONTINUABLE:
        message = f"the response {previous.id} is {previous.status} and cannot be continued"
        raise Invalid(message, code="previous_response_not_continuable", param="previous_response_id")


def _missing(message: str) -> NotFound:
    return NotFound(message, code="previous_response_not_found", param="previous_response_id")


def _check_calls(items: Iterable[Item]) -> None:
    """Vendors refuse a call without its output and an output without its call, each in words of its own."""
    called: dict[str, bool] = {}
    for item in items:
        if item["type"] == "function_call":
            called[item["call_id"]] = False
        elif item["type"] == "function_call_output":
            if item["call_id"] not in called:
                raise Invalid(f"there is no function call {item['call_id']} for its output", param="input")
            called[item["call_id"]] = True
    for call_id, answered in called.items():
        if not answered:
            raise Invalid(f"there is no output of the function call {call_id}", param="input")


def messages_of(items: Iterable[Item]) -> list[Message]:
    """What a model said and called in one go is one message. Reasoning is not told again."""
    messages: list[Message] = []
    for item in items:
        match item["type"]:
            case "message":
                messages.append(_message(item))
            case "function_call":
                if not messages or messages[-1]["role"] != "assistant":
                    messages.append({"role": "assistant", "content": None})
                messages[-1].setdefault("tool_calls", []).append(_tool_call(item))
            case "function_call_output":
                messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
    return messages


def _message(item: Item) -> Message:
    parts = item["content"]
    if item["role"] == "assistant":
        message = {"role": "assistant", "content": "".join(part.get("text", "") for part in parts)}
        refusals = [part["refusal"] for part in parts if part["type"] == "refusal"]
        return message | ({"refusal": "".join(refusals)} if refusals else {})
    if len(parts) == 1 and "text" in parts[0]:
        return {"role": item["role"], "content": parts[0]["text"]}
    return {"role": item["role"], "content": [_part(part) for part in parts]}


def _part(part: dict[str, Any]) -> dict[str, Any]:
    match part["type"]:
        case "input_image":
            image = {
                name: part[source] for name, source in (("url", "image_url"), ("detail", "detail")) if source in part
            }
            return {"type": "image_url", "image_url": image}
        case "input_file":
            return {"type": "file", "file": {name: value for name, value in part.items() if name != "type"}}
        case "refusal":
            return {"type": "text", "text": part["refusal"]}
    return {"type": "text", "text": part["text"]}


def _tool_call(item: Item) -> dict[str, Any]:
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}


@dataclass(slots=True)
class _Turn:
    """What can only be let go of together: what a user said and all that followed, or instructions, which stay."""

    messages: list[Message]
    tokens: int
    kept: bool


async def _fit(messages: Sequence[Message], ask: ResponseAsk, call: Call) -> list[Message]:
    """Without the oldest turns that the model cannot hold beside the answer. The last turn stays."""
    offer = await find_model(ask.model, call)
    if offer is None or not offer.model.context_tokens:
        return list(messages)
    turns = await _turns(messages)
    room = offer.model.context_tokens - (ask.options.get("max_completion_tokens") or 0)
    used = sum(turn.tokens for turn in turns) + await tokens.count_chat([], ask.options.get("tools"))
    for turn in turns[:-1]:
        if used > room and not turn.kept:
            used -= turn.tokens
            turn.messages = []
    return [message for turn in turns for message in turn.messages]


async def _turns(messages: Sequence[Message]) -> list[_Turn]:
    turns: list[_Turn] = []
    for message in messages:
        counted = await tokens.count_chat([message]) - tokens.REPLY_TOKENS
        kept = message["role"] in ("system", "developer")
        if turns and not kept and message["role"] != "user" and not turns[-1].kept:
            turns[-1].messages.append(message)
            turns[-1].tokens += counted
        else:
            turns.append(_Turn([message], counted, kept))
    return turns
