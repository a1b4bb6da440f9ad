"""What stands before a body: what a request asks for, and an answer's status line and headers on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import unquote

import httptools

Headers = Iterable[tuple[bytes, bytes]]

PHRASES = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {code: f"HTTP/1.1 {code} {PHRASES.get(code, '')}\r\n".encode() for code in range(100, 600)}
TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
"""What the name of a header may consist of (RFC 9110, section 5.6.2), in lower case."""

CONTROLS = bytes(code for code in range(32) if code != 0x09) + b"\x7f"
LENGTH, ENCODING, CONNECTION = b"content-length: ", b"transfer-encoding: ", b"connection: "
FRAMING = frozenset({LENGTH, ENCODING, CONNECTION})
CHUNKED = b"transfer-encoding: chunked\r\n"
CLOSE = b"connection: close\r\n"
MOST_LABELS = 500

_labels: dict[bytes, bytes] = {}
"""The names of headers as they are written. They are the application's own, and thus few."""


class Head:
    """An answer's headers as `lines` of the wire. `length` is of the body as it was announced, `is_chunked` says that
    it has none, and `closes` that no other answer follows."""

    __slots__ = ("closes", "is_chunked", "length", "lines")

    def __init__(self, headers: Headers) -> None:
        """Raises `RuntimeError` for what would be read as something else than this header."""
        self.length: int | None = None
        self.is_chunked = self.closes = False
        parts: list[bytes] = []
        for name, value in headers:
            label = _labels.get(name) or _label(name)
            if label in FRAMING:
                self._note(label, value)
            parts += (label, value, b"\r\n")
        self.lines = lines = b"".join(parts)
        if len(lines) - len(lines.translate(None, CONTROLS)) != len(parts) // 3 * 2:  # the end of each line
            raise RuntimeError("Invalid HTTP header value.")

    def _note(self, label: bytes, value: bytes) -> None:
        if label is LENGTH or label == LENGTH:
            self.length = int(value)
        elif label == CONNECTION:
            self.closes = self.closes or b"close" in [token.strip() for token in value.lower().split(b",")]
        elif value.lower() == b"chunked":
            self.is_chunked = True


def _label(name: bytes) -> bytes:
    lowered = name.lower()
    if not lowered or not TOKEN.issuperset(lowered):
        raise RuntimeError("Invalid HTTP header name.")
    label = lowered + b": "
    if len(_labels) < MOST_LABELS:
        _labels[name] = label
    return label


def read_target(url: bytes) -> tuple[str, bytes, bytes]:
    """Of a request's target its path, the same as it was sent, and the query. Raises
    `httptools.HttpParserInvalidURLError`."""
    if url.startswith(b"/") and b"#" not in url:
        raw_path, _, query = url.partition(b"?")
    else:
        parsed = httptools.parse_url(url)
        raw_path, query = parsed.path or b"/", parsed.query or b""
    path = raw_path.decode("ascii")
    return unquote(path) if "%" in path else path, raw_path, query
