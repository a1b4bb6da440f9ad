"""Server-sent events, read as the strictest of their readers do. Source: HTML Standard, "Server-sent events"."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """`name` is empty where the event has none."""

    data: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """`comments` are lines that readers pass over; `faults` is what keeps a stream from being one."""

    events: tuple[Event, ...]
    comments: int = 0
    faults: tuple[str, ...] = ()


def read(content: bytes) -> Transcript:
    """A whole stream."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return Transcript((), faults=("it is not UTF-8",))
    events: list[Event] = []
    faults: list[str] = []
    comments = 0
    *blocks, rest = text.replace("\r\n", "\n").split("\n\n")
    if rest:
        faults.append("it ends in the middle of an event")
    for block in blocks:
        data: list[str] = []
        name = ""
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not field:
                comments += 1
            elif field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field not in ("id", "retry"):
                faults.append(f"no reader knows the field {field[:40]!r}")
        if data:
            events.append(Event("\n".join(data), name))
    return Transcript(tuple(events), comments, tuple(faults))
