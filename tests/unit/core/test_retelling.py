"""What was told of an answer stays told, whatever the model says when it is asked again."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.core.responses.output import Assembler
from handlers.core.responses.retelling import Delta, Retelling


def text(said: str) -> Delta:
    return {"content": said}


def call(call_id: str, name: str, arguments: str, index: int = 0) -> Delta:
    return {"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]}


def more(arguments: str, index: int = 0) -> Delta:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}


def retold(told: list[Delta], said: list[Delta]) -> list[Delta | None]:
    retelling = Retelling(told)
    return [*(one for delta in said for one in retelling.take(delta)), *retelling.finish()]


def items(*deltas: Delta | None) -> list[dict[str, Any]]:
    """What readers make of it."""
    count = iter(range(100))
    assembler = Assembler(lambda noun: f"{noun}{next(count)}", show_reasoning=True)
    for delta in deltas:
        for _ in assembler.finish(cut=True) if delta is None else assembler.feed(delta):
            pass
    for _ in assembler.finish(cut=False):
        pass
    return assembler.output


@pytest.mark.parametrize("told", [[], [text("a")], [text("a"), text("b")], [text("abc")], [text("abcd")]])
@pytest.mark.parametrize("said", [[text("abcd")], [text("a"), text("bc"), text("d")], [text("ab"), text("cd")]])
def test_the_same_text_goes_on_where_it_was(told: list[Delta], said: list[Delta]) -> None:
    rest = retold(told, said)
    assert None not in rest
    assert items(*told, *rest) == items(text("abcd"))


@pytest.mark.parametrize(
    "said", [[text("axyz")], [text("a"), text("x"), text("yz")], [text("ab")], [call("c", "f", "{}")]]
)
def test_another_text_is_told_whole_behind_the_one_that_was_cut(said: list[Delta]) -> None:
    rest = retold([text("abc")], said)
    assert rest[0] is None
    first, second = items(text("abc"), *rest)
    assert (first["status"], first["content"][0]["text"]) == ("incomplete", "abc")
    (expected,) = items(*said)
    assert {**second, "id": ""} == {**expected, "id": ""}


def test_reasoning_comes_before_text_and_both_go_on() -> None:
    told: list[Delta] = [{"reasoning_content": "why"}, text("be")]
    rest = retold(told, [{"reasoning_content": "w"}, {"reasoning_content": "hy"}, text("because")])
    assert rest == [text("cause")]


def test_a_text_that_ends_sooner_is_another() -> None:
    told: list[Delta] = [{"reasoning_content": "why"}, text("be")]
    assert retold(told, [{"reasoning_content": "why not"}, text("be")])[0] is None
    assert retold(told, [text("be")])[0] is None


def test_a_call_keeps_the_id_that_was_told() -> None:
    told = [call("one", "f", '{"a":'), more("1}"), call("two", "g", '{"b"', index=1)]
    said = [call("x", "f", '{"a":1}'), call("y", "g", '{"b":2', index=1), more("}", index=1)]
    rest = retold(told, said)
    assert [(item["call_id"], item["arguments"]) for item in items(*told, *rest)] == [
        ("one", '{"a":1}'),
        ("two", '{"b":2}'),
    ]


def test_a_vendor_that_repeats_its_ids_does_not_make_another_call() -> None:
    told = [call("one", "f", '{"a"')]
    said: list[Delta] = [{"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": '{"a"'}}]}]
    said.append({"tool_calls": [{"index": 0, "id": "x", "function": {"arguments": ":1}"}}]})
    (made,) = items(*told, *retold(told, said))
    assert (made["call_id"], made["arguments"]) == ("one", '{"a":1}')


def test_a_new_call_behind_one_that_was_told_is_one_of_its_own() -> None:
    told = [call("one", "f", "{}")]
    rest = retold(told, [call("x", "f", "{}"), call("y", "g", "{}")])
    assert [item["call_id"] for item in items(*told, *rest)] == ["one", "y"]
