"""Streams of OpenAI's responses: `POST .../responses`, `GET .../responses/{response_id}?stream=true`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from server.contract.transcripts.rules import Told

ENDS = ("response.completed", "response.incomplete", "response.failed")
WHOLE = ("response.created", "response.queued", "response.in_progress", *ENDS)

Body = Mapping[str, Any]


def response(told: Told) -> Iterator[str]:
    """Events are numbered without a gap; `response.created` is the first and one that ends it the last; what is added
    is done, in order, and says then what its pieces said."""
    if told.failed:  # an error of the API ends it; nothing further is promised
        return
    after = told.asked.get("starting_after")
    first = 0 if after is None else int(after) + 1
    kinds = [body.get("type") for body in told.bodies]
    if [body.get("sequence_number") for body in told.bodies] != list(range(first, first + len(kinds))):
        yield f"events are not numbered from {first} without a gap"
    if first == 0 and (kinds[:1] != ["response.created"] or kinds.count("response.created") != 1):
        yield "`response.created` is not the first event, once"
    if not kinds or kinds[-1] not in ENDS or sum(kind in ENDS for kind in kinds) != 1:
        yield "it does not end with an event that ends a response, once"
        return
    yield from _whole(told.bodies)
    if first == 0:
        yield from _items(told.bodies)


def metered(told: Told) -> Iterator[str]:
    """As a response, with its usage at the end."""
    yield from response(told)
    last = told.bodies[-1]
    if last.get("type") == "response.completed" and not (last.get("response") or {}).get("usage"):
        yield "the completed response has no usage"


def _whole(bodies: Sequence[Body]) -> Iterator[str]:
    """Events that hold the whole response."""
    told = [(body["type"], body.get("response")) for body in bodies if body.get("type") in WHOLE]
    if any(not isinstance(one, dict) for _, one in told):
        yield "an event of the whole response does not hold it"
        return
    if len({one["id"] if one and "id" in one else None for _, one in told}) != 1:
        yield "the response's id changes"
    kind, last = told[-1]
    if last is None or last.get("status") != kind.removeprefix("response."):
        yield f"`{kind}` holds a response of another status"


def _items(bodies: Sequence[Body]) -> Iterator[str]:
    """Items of the output, and the pieces of their texts and arguments."""
    added: list[int] = []
    done: list[int] = []
    texts: dict[tuple[Any, ...], str] = {}
    for body in bodies:
        kind, index = str(body.get("type")), body.get("output_index")
        if kind == "response.output_item.added":
            added.append(index if isinstance(index, int) else -1)
        elif kind == "response.output_item.done":
            done.append(index if isinstance(index, int) else -1)
        elif index is not None and (index not in added or index in done):
            yield f"`{kind}` is of an item that is not open"
        yield from _texts(body, kind, texts)
    if added != list(range(len(added))):
        yield "items are not added one behind the other"
    if bodies[-1]["type"] == "response.completed":
        if sorted(done) != sorted(added):
            yield "an item is added and never done"
        if len(bodies[-1]["response"].get("output") or ()) != len(done):
            yield "the response's output is not what was streamed"


def _texts(body: Body, kind: str, texts: dict[tuple[Any, ...], str]) -> Iterator[str]:
    """What a text's `done` says is what its deltas said."""
    stem, _, act = kind.rpartition(".")
    key = (stem, body.get("output_index"), body.get("content_index"), body.get("summary_index"))
    if act == "delta":
        texts[key] = texts.get(key, "") + str(body.get("delta", ""))
    elif act == "done":
        whole = next((body[name] for name in ("text", "arguments", "refusal") if name in body), None)
        if isinstance(whole, str) and whole != texts.get(key, ""):
            yield f"`{kind}` says something else than its pieces"
