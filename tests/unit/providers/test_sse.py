from __future__ import annotations

import pytest

from providers.errors import BrokenAnswer
from providers.sse import EventParser

STREAM = (
    ": a comment\r\n"
    "event: one\r\ndata: first\r\n\r\n"
    "data:no blank\n\n"
    "data: several\ndata: lines\n\n"
    "data\n\n"
    "id: 4\nretry: 10\n\n"
    "data:  keeps a second blank\r\r"
    "data: ümläut 🙂\n\n"
    "data: without an end"
).encode()
EVENTS = [
    b"first",
    b"no blank",
    b"several\nlines",
    b"",
    b" keeps a second blank",
    "ümläut 🙂".encode(),
    b"without an end",
]


def parse(portions: list[bytes]) -> list[bytes]:
    parser = EventParser()
    events = [event for portion in portions for event in parser.feed(portion)]
    return events + list(parser.finish())


def test_events_are_read_from_one_portion() -> None:
    assert parse([STREAM]) == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 16, 64])
def test_events_are_read_from_portions_of_any_size(size: int) -> None:
    assert parse([STREAM[at : at + size] for at in range(0, len(STREAM), size)]) == EVENTS


def test_events_are_read_from_every_split_in_two() -> None:
    for at in range(len(STREAM) + 1):
        assert parse([STREAM[:at], STREAM[at:]]) == EVENTS, at


def test_a_byte_order_mark_is_read_over_in_any_portions() -> None:
    marked = b"\xef\xbb\xbfdata: x\n\n"
    assert parse([marked]) == parse([marked[i : i + 1] for i in range(len(marked))]) == [b"x"]


def test_every_kind_of_line_end_splits_between_portions() -> None:
    assert parse([b"data: a\r", b"\n\r", b"\ndata: b\n", b"\n"]) == [b"a", b"b"]


def test_an_event_is_given_out_as_soon_as_its_blank_line_is_there() -> None:
    parser = EventParser()
    assert list(parser.feed(b"data: a\n\ndata: b")) == [b"a"]
    assert list(parser.feed(b"\n\n")) == [b"b"]


@pytest.mark.parametrize("portion", [b"data: " + b"x" * 50, b"data: xxxx\n"])
def test_an_event_beyond_the_limit_is_a_broken_answer(portion: bytes) -> None:
    parser = EventParser(largest_event_bytes=100)
    with pytest.raises(BrokenAnswer):
        for _ in range(30):
            list(parser.feed(portion))
