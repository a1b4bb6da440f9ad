"""Streams of Llama Stack: chats, completions and agents' turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from server.contract.transcripts.rules import Told

CALL_AFTER: dict[str | None, tuple[str | None, ...]] = {
    None: ("started",),
    "started": ("in_progress", "succeeded", "failed"),
    "in_progress": ("in_progress", "succeeded", "failed"),
}
"""Which `parse_status` may follow which; None is outside a call."""

TURN_ENDS = ("turn_complete", "turn_awaiting_input")


def chat(told: Told) -> Iterator[str]:
    """llama-stack.yaml: ChatCompletionResponseEvent. One `start`, `progress` for every piece, one `complete` at the end
    with the reason, and calls told from `started` to `succeeded` or `failed`."""
    bodies = told.bodies[:-1] if told.failed else told.bodies
    events = [body.get("event") or {} for body in bodies]
    kinds = [event.get("event_type") for event in events]
    if kinds[:1] != ["start"] or kinds.count("start") != 1:
        yield "it does not begin with `start`, once"
    if any(kind not in ("start", "progress", "complete") for kind in kinds):
        yield f"there are events that are none: {sorted({str(kind) for kind in kinds})}"
    if not told.failed and (kinds[-1:] != ["complete"] or kinds.count("complete") != 1):
        yield "it does not end with `complete`, once"
    for number, event in enumerate(events):
        if not isinstance(event.get("delta"), dict):
            yield f"event {number} has no delta"
        if bool(event.get("stop_reason")) != (event.get("event_type") == "complete"):
            yield f"event {number}: the reason to stop is told by `complete`, and by it alone"
    yield from _calls([event.get("delta") or {} for event in events], told.failed)


def _calls(deltas: list[Mapping[str, Any]], failed: bool) -> Iterator[str]:
    state: str | None = None
    for delta in deltas:
        if delta.get("type") != "tool_call":
            if state is not None:
                yield "something else is told in the middle of a tool call"
            state = None
            continue
        status = delta.get("parse_status")
        if status not in CALL_AFTER[state]:
            yield f"a tool call's {status!r} follows {state!r}"
        whole = isinstance(delta.get("tool_call"), dict)
        if status == "succeeded" and not whole:
            yield "a tool call that succeeded is not told whole"
        if status in ("started", "in_progress") and whole:
            yield f"a tool call is whole while {status!r}"
        state = status if status in ("started", "in_progress") else None
    if state is not None and not failed:
        yield "a tool call is never finished"


def text(told: Told) -> Iterator[str]:
    """llama-stack.yaml: CompletionResponseStreamChunk. The last is empty and says why it stopped; no other does."""
    bodies = told.bodies[:-1] if told.failed else told.bodies
    if any(not isinstance(body.get("delta"), str) for body in bodies):
        yield "an event has no delta"
    with_reason = [number for number, body in enumerate(bodies) if body.get("stop_reason")]
    if with_reason != ([] if told.failed else [len(bodies) - 1]):
        yield "the reason to stop is not told by the last event alone"
    elif bodies and not told.failed and bodies[-1].get("delta"):
        yield "the last event, which says why it stopped, has text"


def turn(told: Told) -> Iterator[str]:
    """llama-stack.yaml: AgentTurnResponseStreamChunk. A turn starts once and ends once; its steps stand one behind the
    other, each from `step_start` to `step_complete`."""
    bodies = told.bodies[:-1] if told.failed else told.bodies
    payloads = [(body.get("event") or {}).get("payload") or {} for body in bodies]
    kinds = [str(payload.get("event_type")) for payload in payloads]
    if kinds.count("turn_start") > 1 or ("turn_start" in kinds and kinds[0] != "turn_start"):
        yield "`turn_start` is not the first event, once"
    if not told.failed and (not kinds or kinds[-1] not in TURN_ENDS or sum(kind in TURN_ENDS for kind in kinds) != 1):
        yield "the turn does not end, once"
    step: Any = None
    for kind, payload in zip(kinds, payloads, strict=True):
        if kind == "step_start":
            if step is not None:
                yield "a step starts within another"
            step = payload.get("step_id")
        elif kind in ("step_progress", "step_complete"):
            if payload.get("step_id") != step:
                yield f"a `{kind}` is of a step that has not started"
            step = step if kind == "step_progress" else None
    if step is not None and not told.failed and kinds[-1] == "turn_complete":
        yield "a step never completes"
