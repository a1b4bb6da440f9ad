"""The typed events of a streamed response."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson

from handlers.core.responses import Begun, Ended, Event, Queued, Response, Running, Step
from handlers.wire import openai_chat, sse
from handlers.wire.reply import EventStream, Last

_ENDS = {"completed": "response.completed", "failed": "response.failed"}
"""Any other status is told by `response.incomplete`."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a dialect's stream differs: `response` renders the object, `opening` names the first events, `with_id` those
    that carry the response's id, `searching` those of a search, without which citations have none either; `named` says
    whether events have an `event:` line."""

    response: Callable[[Response], dict[str, Any]]
    opening: tuple[str, ...] = ("response.created", "response.in_progress")
    with_id: frozenset[str] = frozenset()
    named: bool = True
    searching: tuple[str, ...] = ("in_progress", "searching", "completed")


def event_stream(running: Running, style: Style) -> EventStream:
    return EventStream(frames(running.events, style), headers=openai_chat.marks(running.attempt))


async def frames(events: AsyncIterator[Event], style: Style, after: int = -1) -> AsyncIterator[bytes]:
    """One event each, numbered from 0 without a gap; those up to the number `after` are left out. The last goes out
    when the request's record is complete."""
    number, response_id = 0, ""
    async with aclosing(cast(AsyncGenerator[Event, None], events)) as told:
        async for event in told:
            if isinstance(event, Queued | Begun):
                response_id = event.response.id
            for rendered in _render(event, style):
                extra = {"response_id": response_id} if rendered["type"] in style.with_id else {}
                if number > after:
                    frame = _frame({**rendered, **extra, "sequence_number": number}, style)
                    yield Last(frame) if isinstance(event, Ended) else frame
                number += 1
            if isinstance(event, Queued):
                style = replace(style, opening=("response.in_progress",))


def _frame(event: dict[str, Any], style: Style) -> bytes:
    frame = sse.data(orjson.dumps(event))
    return b"event: %b\n%b" % (event["type"].encode(), frame) if style.named else frame


def _render(event: Event, style: Style) -> Iterator[dict[str, Any]]:
    match event:
        case Queued():
            for name in ("response.created", "response.queued"):
                yield {"type": name, "response": style.response(event.response)}
        case Begun():
            for name in style.opening:
                yield {"type": name, "response": style.response(event.response)}
        case Ended():
            name = _ENDS.get(event.response.status, "response.incomplete")
            yield {"type": name, "response": style.response(event.response)}
        case Step(act="item_added"):
            yield {"type": "response.output_item.added", "output_index": event.index, "item": event.item}
        case Step(act="item_done"):
            yield {"type": "response.output_item.done", "output_index": event.index, "item": event.item}
        case Step(kind="arguments"):
            yield _of_call(event)
        case Step(kind="reasoning"):
            yield from _of_reasoning(event)
        case Step(kind="search"):
            head = {"output_index": event.index, "item_id": event.item["id"]}
            yield from ({"type": f"response.file_search_call.{name}", **head} for name in style.searching)
        case Step() if event.act != "annotated" or style.searching:
            yield from _of_message(event)


def _of_call(step: Step) -> dict[str, Any]:
    head = {"item_id": step.item["id"], "output_index": step.index}
    if step.act == "delta":
        return {"type": "response.function_call_arguments.delta", **head, "delta": step.delta}
    return {"type": "response.function_call_arguments.done", **head, "arguments": step.item["arguments"]}


def _of_message(step: Step) -> Iterator[dict[str, Any]]:
    part = step.item["content"][step.part]
    head = {"item_id": step.item["id"], "output_index": step.index, "content_index": step.part}
    stem, field = ("response.output_text", "text") if step.kind == "text" else ("response.refusal", "refusal")
    more: dict[str, Any] = {"logprobs": []} if step.kind == "text" else {}
    match step.act:
        case "part_added":
            yield {"type": "response.content_part.added", **head, "part": part}
        case "delta":
            yield {"type": f"{stem}.delta", **head, "delta": step.delta, **more}
        case "annotated":
            number = len(part["annotations"]) - 1
            told = {"annotation_index": number, "annotation": part["annotations"][number]}
            yield {"type": "response.output_text.annotation.added", **head, **told}
        case "part_done":
            yield {"type": f"{stem}.done", **head, field: part[field], **more}
            yield {"type": "response.content_part.done", **head, "part": part}


def _of_reasoning(step: Step) -> Iterator[dict[str, Any]]:
    part = step.item["summary"][step.part]
    head = {"item_id": step.item["id"], "output_index": step.index, "summary_index": step.part}
    match step.act:
        case "part_added":
            yield {"type": "response.reasoning_summary_part.added", **head, "part": part}
        case "delta":
            yield {"type": "response.reasoning_summary_text.delta", **head, "delta": step.delta}
        case "part_done":
            yield {"type": "response.reasoning_summary_text.done", **head, "text": part["text"]}
            yield {"type": "response.reasoning_summary_part.done", **head, "part": part}
