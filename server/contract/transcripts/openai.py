"""Streams of OpenAI's chat and text completions: `POST .../chat/completions`, `POST .../completions`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from server.contract.transcripts.rules import Told, same

Body = Mapping[str, Any]


@dataclass(slots=True)
class Choice:
    """One choice as its pieces have told it so far."""

    pieces: int = 0
    role: str | None = None
    reason: str | None = None
    calls: dict[int, dict[str, str]] = field(default_factory=dict)


def chat(told: Told) -> Iterator[str]:
    """The first piece of a choice has the role; one, the last, says why it ended; usage follows when asked for."""
    bodies = told.bodies[:-1] if told.failed else told.bodies
    yield from _heads(bodies, "chat.completion.chunk")
    yield from _usage(told, bodies)
    choices: dict[int, Choice] = {}
    for piece in pieces(bodies):
        choice = choices.setdefault(piece.get("index", 0), Choice())
        yield from _add(choice, piece, f"choice {piece.get('index', 0)}")
    if not told.failed:
        yield from _count(choices, told.asked.get("n") or 1)
        for index, choice in choices.items():
            yield from _end(choice, f"choice {index}")


def text(told: Told) -> Iterator[str]:
    """As a chat, without roles: there is a choice for each prompt, `n` times."""
    bodies = told.bodies[:-1] if told.failed else told.bodies
    yield from _heads(bodies, "text_completion")
    yield from _usage(told, bodies)
    choices: dict[int, Choice] = {}
    for piece in pieces(bodies):
        name = f"choice {piece.get('index', 0)}"
        if not isinstance(piece.get("text"), str):
            yield f"{name} has a piece without text"
        yield from _reason(choices.setdefault(piece.get("index", 0), Choice()), piece, name)
    prompt = told.asked.get("prompt")
    prompts = len(prompt) if isinstance(prompt, list) and all(isinstance(one, str) for one in prompt) else 1
    if not told.failed:
        yield from _count(choices, (told.asked.get("n") or 1) * prompts)
        yield from (f"choice {index} has no finish_reason" for index, one in choices.items() if one.reason is None)


def pieces(bodies: Sequence[Body]) -> Iterator[Body]:
    for body in bodies:
        yield from body.get("choices") or ()


def _heads(bodies: Sequence[Body], kind: str) -> Iterator[str]:
    yield from same(bodies, ("id", "model", "created"))
    if any(body.get("object") != kind for body in bodies):
        yield f"an event is no {kind}"


def _usage(told: Told, bodies: Sequence[Body]) -> Iterator[str]:
    """Told once, behind all choices, to those who ask."""
    with_usage = [number for number, body in enumerate(bodies) if body.get("usage")]
    asked = bool((told.asked.get("stream_options") or {}).get("include_usage"))
    if not asked:
        if with_usage:
            yield "usage is told though nobody asked for it"
    elif not told.failed:
        if with_usage != [len(bodies) - 1]:
            yield "usage is not told by the last event alone"
        elif bodies[-1].get("choices") != []:
            yield "the event with the usage has choices"
        else:
            yield from _sums(bodies[-1]["usage"])
    if any(not body.get("choices") and not body.get("usage") for body in bodies):
        yield "an event has neither choices nor usage"


def _sums(usage: Body) -> Iterator[str]:
    prompt, completion, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if not (isinstance(prompt, int) and isinstance(completion, int) and total == prompt + completion):
        yield "the usage does not add up"


def _add(choice: Choice, piece: Body, name: str) -> Iterator[str]:
    delta = piece.get("delta")
    if not isinstance(delta, dict):
        yield f"{name} has a piece without a delta"
        return
    if choice.pieces == 0 and delta.get("role") != "assistant":
        yield f"{name} does not begin with its role"
    choice.pieces += 1
    yield from _reason(choice, piece, name)
    for call in delta.get("tool_calls") or ():
        yield from _add_call(choice, call, name)


def _add_call(choice: Choice, call: Body, name: str) -> Iterator[str]:
    index, function = call.get("index"), call.get("function") or {}
    if not isinstance(index, int):
        yield f"{name} has a piece of a tool call without its index"
    elif index not in choice.calls:
        if index != len(choice.calls):
            yield f"{name} begins tool call {index} before it has {index} others"
        if not call.get("id") or not function.get("name"):
            yield f"{name} begins a tool call without its id or name"
        choice.calls[index] = {"arguments": function.get("arguments") or ""}
    else:
        choice.calls[index]["arguments"] += function.get("arguments") or ""


def _reason(choice: Choice, piece: Body, name: str) -> Iterator[str]:
    if choice.reason is not None:
        yield f"{name} goes on after its finish_reason"
    choice.reason = piece.get("finish_reason") or choice.reason


def _count(choices: Mapping[int, Choice], wanted: int) -> Iterator[str]:
    if sorted(choices) != list(range(wanted)):
        yield f"there are choices {sorted(choices)} where {wanted} were asked for"


def _end(choice: Choice, name: str) -> Iterator[str]:
    if choice.reason is None:
        yield f"{name} has no finish_reason"
    if choice.reason == "tool_calls":
        if not choice.calls:
            yield f"{name} ends with tool calls and has none"
        for index, call in choice.calls.items():
            if not _is_object(call["arguments"]):
                yield f"{name} has a tool call {index} whose arguments are no JSON object"


def _is_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
