"""What the rules of every API's streams share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from server.contract.sse import Event

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Told:
    """A stream's events as JSON objects, `names` their `event:` lines, `asked` the request's body or query."""

    bodies: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    asked: Mapping[str, Any]

    @property
    def failed(self) -> bool:
        """Whether the stream ends with an error, as one does whose model fails on the way."""
        return bool(self.bodies) and is_error(self.bodies[-1])


Rule = Callable[[Told], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one operation's streams. `done` says whether `[DONE]` ends them, `named` whether events have a name,
    `comments` whether its readers pass over comments."""

    rule: Rule
    done: bool = False
    named: bool = False
    comments: bool = True


def is_error(body: Mapping[str, Any]) -> bool:
    return "error" in body and "choices" not in body and "type" not in body


def objects(events: Sequence[Event]) -> tuple[list[dict[str, Any]], list[str]]:
    """The JSON objects that events hold, and what is wrong with those that hold none."""
    found, faults = [], []
    for number, event in enumerate(events):
        try:
            body = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            body = None
        if isinstance(body, dict):
            found.append(body)
        else:
            faults.append(f"event {number} is no JSON object: {event.data[:80]!r}")
    return found, faults


def endings(events: Sequence[Event], done: bool, failed: bool) -> Iterator[str]:
    """`[DONE]` stands where the API has it: at the end of what did not fail, once."""
    number = sum(event.data == DONE for event in events)
    if failed or not done:
        if number:
            yield "[DONE] follows an error" if failed else "[DONE] has no place in this API's streams"
    elif number != 1 or events[-1].data != DONE:
        yield "[DONE] is not the last event, and nothing else is" if number else "it ends without [DONE]"


def same(bodies: Iterable[Mapping[str, Any]], names: Iterable[str]) -> Iterator[str]:
    """These members say the same in every event."""
    told = list(bodies)
    for name in names:
        if len({str(body.get(name)) for body in told}) > 1:
            yield f"`{name}` changes within the stream"
        elif told and told[0].get(name) in (None, ""):
            yield f"`{name}` is missing"
