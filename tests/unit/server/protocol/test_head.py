from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.protocol import head
from server.protocol.head import Head, read_target


def test_headers_are_written_one_a_line_under_their_lower_case_names() -> None:
    assert Head([(b"Content-Type", b"a/b"), (b"x-a", b""), (b"X-A", b"c\td")]).lines == (
        b"content-type: a/b\r\nx-a: \r\nx-a: c\td\r\n"
    )


@pytest.mark.parametrize(
    ("headers", "length", "is_chunked", "closes"),
    [
        ([(b"x", b"close")], None, False, False),
        ([(b"Content-Length", b"12")], 12, False, False),
        ([(b"transfer-encoding", b"Chunked")], None, True, False),
        ([(b"connection", b"keep-alive"), (b"Connection", b"x, Close")], None, False, True),
    ],
)
def test_what_frames_a_body_is_noted(
    headers: list[tuple[bytes, bytes]], length: int | None, is_chunked: bool, closes: bool
) -> None:
    noted = Head(headers)
    assert (noted.length, noted.is_chunked, noted.closes) == (length, is_chunked, closes)


def test_names_are_not_kept_without_end() -> None:
    for number in range(2 * head.MOST_LABELS):
        assert Head([(b"x-%d" % number, b"y")]).lines == b"x-%d: y\r\n" % number
    assert len(head._labels) <= head.MOST_LABELS


@given(st.binary())
def test_a_value_is_written_as_it_is_or_not_at_all(value: bytes) -> None:
    has_controls = any((byte < 32 and byte != 9) or byte == 127 for byte in value)
    if has_controls:
        with pytest.raises(RuntimeError):
            Head([(b"x", value)])
    else:
        assert Head([(b"x", value)]).lines == b"x: " + value + b"\r\n"


class Target:
    def __init__(self) -> None:
        self.url = b""

    def on_url(self, url: bytes) -> None:
        self.url += url


@given(st.text("/?#%:@a.b;=&[]!~\\|^`{}\"'<>+,$*-_0", max_size=12))
def test_a_target_is_read_as_the_parser_of_urls_reads_it(rest: str) -> None:
    target = Target()
    httptools.HttpRequestParser(target).feed_data(b"GET /" + rest.encode() + b" HTTP/1.1\r\n")
    parsed = httptools.parse_url(target.url)
    assert read_target(target.url)[1:] == (parsed.path, parsed.query or b"")
