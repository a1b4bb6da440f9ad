"""Events that are known by their bytes: what is taken for the same must say the same."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from providers.inference.openai_stream import Pattern

HEAD = b'{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"content":'
TAIL = b'},"finish_reason":null}],"usage":null}'


def event(words: bytes) -> bytes:
    return HEAD + words + TAIL


def learned(raw: bytes) -> Pattern:
    pattern = Pattern()
    pattern.learn(raw, orjson.loads(raw))
    return pattern


@pytest.mark.parametrize("words", [b'"Hello"', b'""', '"wörld 漢"'.encode(), rb'"a\nb \"c\" \\ d"'])
def test_an_event_with_other_words_is_known(words: bytes) -> None:
    assert learned(event(b'" first"')).run([event(words)])
    assert learned(event(words)).run([event(b'"next"')])


@pytest.mark.parametrize(
    "words",
    [
        b"null",
        b'"a","role":"assistant"',
        b'"a\nb"',
        b'"a',
        b'"\\"',
        rb'"\x41"',
        b'"\xff\xfe"',
        b'"a"},"finish_reason":"stop"}],"choices":[{"index":0,"delta":{"content":"b"',
    ],
)
def test_whatever_is_not_just_other_words_is_read(words: bytes) -> None:
    assert not learned(event(b'" first"')).run([event(words)])


@pytest.mark.parametrize(
    "delta",
    [
        {"role": "assistant", "content": "a"},
        {"content": None},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"content":"a"}'}}]},
        {},
    ],
)
def test_only_plain_words_are_learned(delta: dict[str, Any]) -> None:
    raw = orjson.dumps({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    assert not learned(raw).run([raw])


def test_a_place_that_is_not_certain_is_not_learned() -> None:
    raw = orjson.dumps({"content": "a", "choices": [{"index": 0, "delta": {"content": "a"}}]})
    assert not learned(raw).run([raw])


def test_a_stream_that_keeps_changing_is_not_learned_for_ever() -> None:
    pattern = Pattern()
    for number in range(10):
        raw = orjson.dumps({"id": f"c{number}", "choices": [{"index": 0, "delta": {"content": "a"}}]})
        assert not pattern.run([raw])
        pattern.learn(raw, orjson.loads(raw))
    assert not pattern.run([raw])
