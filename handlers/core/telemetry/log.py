from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from handlers.core.call import Call
from handlers.core.errors import Invalid, TooLarge
from storage.repositories.telemetry import Message, Place, Point, SpanEnd, SpanStart
from storage.tables.types import instant

LONGEST_ID = 256
MOST_ATTRIBUTES = 128
LARGEST_EVENT_BYTES = 256 * 1024
LONGEST_TTL_SECONDS = 100 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Event:
    """What a client logs. `content` is, by its `type`: `unstructured_log` (`message`, `severity`), `metric` (`metric`,
    `value`, `unit`), `span_start` (`name`, `parent_span_id`) or `span_end` (`status`)."""

    type: str
    trace_id: str
    span_id: str
    timestamp: str
    attributes: Mapping[str, Any]
    content: Mapping[str, Any]
    ttl_seconds: int


async def log_event(event: Event, call: Call) -> None:
    """It is on disk when this returns. Raises `Invalid`, `TooLarge`."""
    place, content = _place(event, call), event.content
    log = call.services.telemetry.log
    match event.type:
        case "span_start":
            parent = content.get("parent_span_id") or None
            if parent is not None:
                _check_text("parent_span_id", parent)
            await log.start(SpanStart(place, content["name"], parent))
        case "span_end":
            await log.end(SpanEnd(place, content["status"]))
        case "metric":
            _check_text("metric", content["metric"])
            await log.count(Point(place, content["metric"], float(content["value"]), content["unit"]))
        case _:
            await log.say(Message(place, content["severity"], content["message"]))


def _place(event: Event, call: Call) -> Place:
    _check_text("trace_id", event.trace_id)
    _check_text("span_id", event.span_id)
    _check_attributes(event)
    if not 0 < event.ttl_seconds <= LONGEST_TTL_SECONDS:
        raise Invalid("ttl_seconds must be at least 1, and at most a hundred years", param="ttl_seconds")
    return Place(
        project_id=call.caller.project_id,
        trace_id=event.trace_id,
        span_id=event.span_id,
        at=_moment(event.timestamp),
        expires_at=instant(call.services.clock()) + timedelta(seconds=event.ttl_seconds),
        attributes=event.attributes,
    )


def _check_text(name: str, text: str) -> None:
    if not text or len(text) > LONGEST_ID or "\0" in text:
        raise Invalid(f"{name} must have 1 to {LONGEST_ID} characters, none of them NUL", param=name)


def _check_attributes(event: Event) -> None:
    if len(event.attributes) > MOST_ATTRIBUTES:
        raise Invalid(f"there may be at most {MOST_ATTRIBUTES} attributes", param="attributes")
    for key in event.attributes:
        if len(key) > LONGEST_ID or "\0" in key:
            message = f"names of attributes may have {LONGEST_ID} characters, none of them NUL"
            raise Invalid(message, param="attributes")
    if len(orjson.dumps({**event.attributes, "": event.content})) > LARGEST_EVENT_BYTES:
        raise TooLarge(f"an event may have at most {LARGEST_EVENT_BYTES // 1024} KiB")


def _moment(text: str) -> datetime:
    """Without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid("timestamp must be a date and time as RFC 3339 has them", param="timestamp") from None
