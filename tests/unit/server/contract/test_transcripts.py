"""Every rule of a stream, by an example that keeps it and one that breaks it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest

from server.contract import transcripts
from server.contract.documents import Judge
from server.contract.transcripts.rules import DONE

WRITTEN = Path(__file__).parents[3] / "journeys" / "transcripts"
"""Streams of the real server, as the journeys have written them down."""

Events = list[Any]
Break = Callable[[Events], Any]


def told(events: Events, named: bool = False) -> bytes:
    """Events as they go over the wire; texts as they are."""
    lines = []
    for event in events:
        data = event if isinstance(event, str) else orjson.dumps(event).decode()
        name = f"event: {event['type']}\n" if named and isinstance(event, dict) else ""
        lines.append(f"{name}data: {data}\n\n")
    return "".join(lines).encode()


def faults(api: str, operation_id: str, content: bytes, asked: Mapping[str, Any] | None = None) -> list[str]:
    return list(transcripts.judge(transcripts.rules_of(api, operation_id), content, asked or {}))


def written(api: str, number: int) -> Events:
    """The text (0) or the tool call (1) of a written transcript."""
    _, *parts = re.split(r"^# .*\n\n", (WRITTEN / f"{api}.txt").read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = re.findall(r"^data: (.*)$", parts[number], flags=re.MULTILINE)
    return [text if text == DONE else orjson.loads(text) for text in texts]


def set_in(index: int, *path: Any) -> Break:
    """`set_in(3, "a", 0, 7)` makes `events[3]["a"][0] = 7`."""
    *steps, last, value = path

    def change(events: Events) -> None:
        node = events[index]
        for step in steps:
            node = node[step]
        node[last] = value

    return change


def drop(index: int) -> Break:
    return lambda events: events.pop(index)


def again(index: int) -> Break:
    return lambda events: events.append(deepcopy(events[index]))


def insert(index: int, event: Any) -> Break:
    return lambda events: events.insert(index, event)


USAGE = {"stream_options": {"include_usage": True}}
PIECE = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}


@pytest.mark.parametrize("api", ["maniac", "ipop", "llama_stack", "llama_stack_deprecated"])
def test_what_the_server_streams_keeps_to_the_rules(api: str) -> None:
    asked = {} if api == "llama_stack" else USAGE
    assert faults(api, "chat_completions_create", told(written(api, 0)), asked) == []
    assert faults(api, "chat_completions_create", told(written(api, 1))) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (drop(-1), "without [DONE]"),
        (again(-1), "[DONE] is not the last"),
        (drop(0), "does not begin with its role"),
        (drop(-3), "no finish_reason"),
        (drop(-2), "usage is not told by the last event"),
        (lambda events: [event.pop("id") for event in events if event != DONE], "`id` is missing"),
        (set_in(1, "id", "other"), "`id` changes"),
        (set_in(1, "object", "chat.completion"), "is no chat.completion.chunk"),
        (set_in(1, "choices", 0, "finish_reason", "stop"), "goes on after its finish_reason"),
        (set_in(1, "choices", 0, "index", 1), "choices [0, 1] where 1"),
        (set_in(1, "choices", 0, "delta", None), "without a delta"),
        (set_in(1, "choices", []), "neither choices nor usage"),
        (set_in(-2, "choices", [PIECE]), "the event with the usage has choices"),
        (set_in(-2, "usage", "total_tokens", 1), "does not add up"),
        (insert(2, "not json"), "no JSON object"),
        (insert(2, {"error": {"message": "no"}}), "goes on after an error"),
        (lambda events: events.insert(len(events) - 1, {"error": {}}), "[DONE] follows an error"),
    ],
)
def test_a_broken_chat_is_caught(change: Break, found: str) -> None:
    events = written("maniac", 0)
    change(events)
    assert any(found in fault for fault in faults("maniac", "chat_completions_create", told(events), USAGE)), found


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (set_in(1, "choices", 0, "delta", "tool_calls", 0, "id", ""), "without its id or name"),
        (set_in(2, "choices", 0, "delta", "tool_calls", 0, "index", None), "without its index"),
        (set_in(2, "choices", 0, "delta", "tool_calls", 0, "index", 4), "begins tool call 4"),
        (set_in(2, "choices", 0, "delta", "tool_calls", 0, "function", "arguments", "{{"), "no JSON object"),
        (lambda events: events.__delitem__(slice(1, -2)), "ends with tool calls and has none"),
    ],
)
def test_a_broken_tool_call_is_caught(change: Break, found: str) -> None:
    events = written("ipop", 1)
    change(events)
    assert any(found in fault for fault in faults("ipop", "chat_completions_create", told(events))), found


def test_usage_that_nobody_asked_for_is_caught() -> None:
    found = faults("maniac", "chat_completions_create", told(written("maniac", 0)))
    assert found == ["usage is told though nobody asked for it"]


def test_done_where_the_api_has_none_is_caught() -> None:
    events = [*written("llama_stack_deprecated", 0), DONE]
    found = faults("llama_stack_deprecated", "chat_completions_create", told(events), USAGE)
    assert found == ["[DONE] has no place in this API's streams"]


def test_a_stream_may_end_with_an_error() -> None:
    events = [*written("maniac", 0)[:3], {"error": {"code": "x", "message": "y"}}]
    assert faults("maniac", "chat_completions_create", told(events), USAGE) == []


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no events"),
        (b'data: {"a": 1}\n\ndata: {"b"', "in the middle of an event"),
        (b"\xff\n\n", "not UTF-8"),
        (b"what: is this\n\n", "no reader knows the field"),
    ],
)
def test_what_is_no_stream_is_caught(content: bytes, found: str) -> None:
    assert any(found in fault for fault in faults("maniac", "chat_completions_create", content))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (drop(0), "does not begin with `start`"),
        (drop(-1), "does not end with `complete`"),
        (set_in(1, "event", "event_type", "start"), "does not begin with `start`, once"),
        (set_in(1, "event", "event_type", "going"), "events that are none"),
        (set_in(1, "event", "stop_reason", "end_of_turn"), "by it alone"),
        (set_in(-1, "event", "stop_reason", None), "by it alone"),
        (set_in(1, "event", "delta", None), "has no delta"),
        (drop(1), "'in_progress' follows None"),
        (drop(-2), "something else is told in the middle"),
        (set_in(-2, "event", "delta", "tool_call", "{}"), "is not told whole"),
        (set_in(2, "event", "delta", "tool_call", {}), "whole while 'in_progress'"),
        (lambda events: events.__delitem__(slice(-2, None)), "never finished"),
    ],
)
def test_a_broken_llama_chat_is_caught(change: Break, found: str) -> None:
    events = written("llama_stack", 1)
    change(events)
    assert any(found in fault for fault in faults("llama_stack", "chat_completions_create", told(events))), found


def test_comments_are_caught_where_readers_take_them_for_events() -> None:
    content = b": wait\n\n" + told(written("llama_stack", 0))
    assert faults("llama_stack", "chat_completions_create", content) != []
    assert faults("maniac", "chat_completions_create", b": wait\n\n" + told(written("maniac", 0)), USAGE) == []


TEXT = [{"delta": "a"}, {"delta": "", "stop_reason": "end_of_turn"}]


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (TEXT[:1], "not told by the last"),
        ([*TEXT, *TEXT], "not told by the last"),
        ([TEXT[0], {"delta": "b", "stop_reason": "end_of_turn"}], "has text"),
        ([{"text": "a"}, TEXT[1]], "has no delta"),
    ],
)
def test_a_broken_llama_completion_is_caught(events: Events, found: str) -> None:
    assert faults("llama_stack", "completions_create", told(TEXT)) == []
    assert any(found in fault for fault in faults("llama_stack", "completions_create", told(events)))


def piece(index: int, text: str | None, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": index, "text": text, "finish_reason": reason}
    return {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (drop(-1), "choice 1 has no finish_reason"),
        (set_in(0, "choices", 0, "text", None), "without text"),
        (set_in(0, "choices", 0, "index", 2), "choices [0, 1, 2] where 2"),
        (set_in(0, "choices", 0, "finish_reason", "stop"), "goes on after"),
        (set_in(0, "id", "d"), "`id` changes"),
    ],
)
def test_a_broken_text_completion_is_caught(change: Break, found: str) -> None:
    events = [piece(0, "a"), piece(0, "", "stop"), piece(1, "b"), piece(1, "", "stop")]
    asked = {"prompt": ["x", "y"]}
    assert faults("llama_stack_deprecated", "completions_create", told(events), asked) == []
    change(events)
    found_now = faults("llama_stack_deprecated", "completions_create", told(events), asked)
    assert any(found in fault for fault in found_now), found_now


def payload(kind: str, **more: Any) -> dict[str, Any]:
    return {"event": {"payload": {"event_type": kind, **more}}}


TURN = [
    payload("turn_start"),
    payload("step_start", step_id="1"),
    payload("step_progress", step_id="1"),
    payload("step_complete", step_id="1"),
    payload("turn_complete"),
]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (drop(-1), "does not end"),
        (again(-1), "does not end, once"),
        (again(0), "`turn_start` is not the first"),
        (drop(1), "has not started"),
        (drop(3), "never completes"),
        (insert(2, payload("step_start", step_id="2")), "within another"),
        (set_in(2, "event", "payload", "step_id", "9"), "has not started"),
    ],
)
def test_a_broken_turn_is_caught(change: Break, found: str) -> None:
    events = deepcopy(TURN)
    assert faults("llama_stack", "agent_turns_create", told(events)) == []
    change(events)
    assert any(found in fault for fault in faults("llama_stack", "agent_turns_create", told(events)))


ITEM = {"output_index": 0, "item_id": "m", "content_index": 0}
STATUS = {"response.created": "in_progress", "response.in_progress": "in_progress", "response.completed": "completed"}


def response() -> Events:
    def whole(kind: str) -> dict[str, Any]:
        output = [{"id": "m"}] if kind == "response.completed" else []
        return {"type": kind, "response": {"id": "r", "status": STATUS[kind], "output": output, "usage": {"t": 1}}}

    events = [
        whole("response.created"),
        whole("response.in_progress"),
        {"type": "response.output_item.added", "output_index": 0},
        {"type": "response.output_text.delta", **ITEM, "delta": "a"},
        {"type": "response.output_text.delta", **ITEM, "delta": "b"},
        {"type": "response.output_text.done", **ITEM, "text": "ab"},
        {"type": "response.output_item.done", "output_index": 0},
        whole("response.completed"),
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (set_in(3, "sequence_number", 2), "without a gap"),
        (drop(4), "without a gap"),
        (drop(-1), "does not end with an event"),
        (again(-1), "does not end with an event"),
        (set_in(0, "type", "response.in_progress"), "`response.created` is not the first"),
        (set_in(0, "response", "id", "q"), "id changes"),
        (set_in(0, "response", None), "does not hold it"),
        (set_in(-1, "response", "status", "failed"), "of another status"),
        (set_in(-1, "response", "usage", None), "has no usage"),
        (set_in(-1, "response", "output", []), "is not what was streamed"),
        (set_in(2, "output_index", 1), "not open"),
        (set_in(2, "output_index", 1), "one behind the other"),
        (set_in(6, "type", "response.other"), "never done"),
        (set_in(5, "text", "abc"), "something else than its pieces"),
    ],
)
def test_a_broken_response_is_caught(change: Break, found: str) -> None:
    events = response()
    assert faults("ipop", "responses_create", told(events, named=True)) == []
    change(events)
    found_now = faults("ipop", "responses_create", told(events, named=True))
    assert any(found in fault for fault in found_now), found_now


def test_names_of_events_are_those_of_the_api() -> None:
    assert any("is named ''" in fault for fault in faults("ipop", "responses_create", told(response())))
    assert faults("llama_stack_deprecated", "responses_create", told(response())) == []
    named = told(response(), named=True)
    assert any("is named" in fault for fault in faults("llama_stack_deprecated", "responses_create", named))


def test_a_response_read_from_the_middle_is_numbered_on() -> None:
    events = response()[4:]
    assert faults("ipop", "responses_get", told(events, named=True), {"starting_after": "3"}) == []
    assert faults("ipop", "responses_get", told(events, named=True), {"starting_after": "1"}) != []


def test_a_stream_without_rules_is_well_formed() -> None:
    assert faults("ipop", "some_stream", b'data: {"a": 1}\n\n') == []
    assert faults("ipop", "some_stream", b"data: a\n\n") != []


def test_events_are_what_the_document_says_of_them() -> None:
    judge = Judge({"schema": {"type": "object", "required": ["delta"]}})
    assert list(transcripts.judge_events(judge, "#/schema", told([*TEXT, {"error": {}}, DONE]))) == []
    found = list(transcripts.judge_events(judge, "#/schema", told([TEXT[0], {"text": "a"}])))
    assert [fault.partition(":")[0] for fault in found] == ["event 1"]
