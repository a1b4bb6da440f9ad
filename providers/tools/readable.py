"""What a person would read of an HTML page: its title and its text, without scripts, menus and forms."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

SILENT = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "nav", "footer", "form"})
INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins"}
)
INLINE |= {"kbd", "label", "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var"}
_BLANKS = re.compile(r"[ \t\r\f\v\n\u00a0]+")
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_-]{1,40})", re.IGNORECASE)
_HEAD_BYTES = 2048


class Readable(NamedTuple):
    title: str
    text: str


def read_html(markup: str) -> Readable:
    """`text` has one line a block. Broken markup is read as far as it goes."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = (_BLANKS.sub(" ", line).strip() for line in "".join(reader.pieces).split("\0"))
    return Readable(_BLANKS.sub(" ", "".join(reader.title)).strip(), "\n".join(line for line in lines if line))


def decode(body: bytes, content_type: str) -> str:
    """By the charset that the header or the page names, else as UTF-8; what does not fit is replaced."""
    named = re.search(r"charset=\"?([\w-]+)", content_type)
    meta = _CHARSET.search(body[:_HEAD_BYTES])
    charset = named[1] if named else meta[1].decode() if meta else "utf-8"
    try:
        return body.decode(charset, "replace").removeprefix("\ufeff")
    except LookupError:
        return body.decode("utf-8", "replace")


class _Reader(HTMLParser):
    """A NUL stands between blocks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.title: list[str] = []
        self._silent = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self._silent += 1
        elif tag == "title":
            self._in_title = True
        elif tag not in INLINE:
            self.pieces.append("\0")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "title":
            self._in_title = False
        elif tag not in INLINE:
            self.pieces.append("\0")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._silent:
            self.pieces.append(data.replace("\0", ""))
