"""Events that come together: those that differ in words alone are one run, and nothing else is."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from providers.errors import BrokenAnswer
from providers.http import HttpClient
from providers.inference.interface import Chunk, Run, each
from providers.inference.openai_stream import LESSONS, Pattern, Reading
from providers.vendor import Vendor
from providers.vendor_api import VendorApi

HEAD = b'{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"'
TAIL = b'"},"finish_reason":null}],"usage":null}'
WORDS = [b" one", b"", rb"a\nb \"c\" \\", " wörld".encode(), rb"\u00e9\ud83d\ude42"]
USUAL = [HEAD + words + TAIL for words in WORDS]
END = b'{"id":"c","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'


def reading() -> Reading:
    api = VendorApi(Vendor("acme", "http://acme"), HttpClient(), {}, lambda: 0.0)
    return Reading(api, "delta", lambda: "new", lambda: 0.0)


def learned() -> Pattern:
    pattern = Pattern()
    pattern.learn(USUAL[0], orjson.loads(USUAL[0]))
    return pattern


def test_a_run_stands_for_its_events() -> None:
    run = learned().run(USUAL)
    assert run is not None
    assert [chunk.raw for chunk in run.chunks] == USUAL
    assert run.whole.body["choices"][0]["delta"]["content"] == ' onea\nb "c" \\ wörldé🙂'


@pytest.mark.parametrize(
    "odd",
    [
        [HEAD + b"cut", b"off" + TAIL],
        [HEAD + b"a\nb" + TAIL],
        [HEAD + b"a" + TAIL + b"\n" + HEAD + b"b" + TAIL],
        [HEAD + b"a" + TAIL[:-9] + b"1}"],
        [HEAD + b"a\\" + TAIL, HEAD + b"b" + TAIL],
        [HEAD + rb"\ud83d" + TAIL, HEAD + rb"\ude42" + TAIL],
        [HEAD + b"\xc3" + TAIL, HEAD + b"\xbc" + TAIL],
        [HEAD],
        [TAIL],
        [HEAD[: len(HEAD) // 2] + TAIL],
        [END],
    ],
)
def test_what_differs_in_more_than_words_is_no_run(odd: list[bytes]) -> None:
    assert learned().run(odd) is None
    assert learned().run([*odd, *USUAL]) is None
    run = learned().run([*USUAL, *odd])
    assert run is None or [chunk.raw for chunk in run.chunks] == USUAL


def test_an_event_shorter_than_what_all_have_in_common_is_no_run() -> None:
    pattern = Pattern()
    raw = b'{"choices":[{"delta":{"content":"a"}}],"id":"{"}'
    pattern.learn(raw, orjson.loads(raw))
    assert pattern.run([b'{"choices":[{"delta":{"content":"}}],"id":"{"}']) is None


def test_a_burst_says_what_its_events_do_in_their_order() -> None:
    odd = [HEAD + b'a","refusal":"b' + TAIL, b'{"id":"d"' + USUAL[0][9:], END]
    events = [*USUAL, odd[0], *USUAL, odd[1], *USUAL, odd[2]]
    stream = reading()
    burst = stream.burst(events)
    assert [chunk.raw for chunk in each(burst)] == events
    assert stream.finished
    assert any(isinstance(piece, Run) and len(piece.chunks) > 1 for piece in burst)


def test_a_stream_that_only_looks_alike_is_not_looked_at_for_ever() -> None:
    pattern, odd = learned(), HEAD + b'a","refusal":"b' + TAIL
    for _ in range(LESSONS):
        assert pattern.run(USUAL) is not None
        assert pattern.run([odd, *USUAL]) is None
    assert pattern.run(USUAL) is None


def test_a_run_goes_on_in_the_next_burst() -> None:
    stream = reading()
    stream.burst(USUAL[:1])
    (run,) = stream.burst(USUAL)
    assert isinstance(run, Run)


def test_what_came_before_a_fault_is_given_out() -> None:
    stream = reading()
    burst = stream.burst([*USUAL, b"no JSON", *USUAL])
    assert [chunk.raw for chunk in each(burst)] == USUAL
    assert isinstance(stream.fault, BrokenAnswer)


@pytest.mark.parametrize("more", [{"logprobs": {"content": [{"token": "a", "logprob": 0}]}}, {"finish_reason": "stop"}])
def test_events_that_say_more_than_words_are_read_one_by_one(more: dict[str, Any]) -> None:
    choice = {"index": 0, "delta": {"content": "a"}} | more
    raw = orjson.dumps({"id": "c", "created": 1, "choices": [choice]})
    assert all(isinstance(piece, Chunk) for piece in reading().burst([raw] * 5))
