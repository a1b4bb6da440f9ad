"""The text of an HTML page: blocks on lines of their own, cells of a row apart by tabs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from providers.extraction.reading.budget import Budget

BLOCK_NAMES = (
    "address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr html li main nav ol p pre section summary table tbody tfoot thead title ul"
)
BLOCKS = frozenset(BLOCK_NAMES.split())
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
PARAGRAPHS = frozenset({"blockquote", "dl", "hr", "ol", "p", "pre", "section", "table", "title", "ul", *HEADINGS})
UNREAD = frozenset({"script", "style", "template", "svg", "math", "iframe", "object", "canvas"})
"""What a reader of the page does not see as text."""

SPACES = re.compile(r"[ \t\n\r\f]+")
SPACES_AT_LINE_ENDS = re.compile(r"(?<![ \t])[ \t]+\n")
MANY_BREAKS = re.compile(r"\n{3,}")


def read_html(page: str, budget: Budget) -> str:
    reader = _Reader(budget)
    reader.feed(page)
    reader.close()
    return MANY_BREAKS.sub("\n\n", SPACES_AT_LINE_ENDS.sub("\n", "".join(reader.parts))).strip()


class _Reader(HTMLParser):
    def __init__(self, budget: Budget) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._budget = budget
        self._unread: list[str] = []
        self._verbatim = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNREAD:
            self._unread.append(tag)
        elif tag == "pre":
            self._verbatim += 1
        self._break(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._unread:
            del self._unread[self._unread.index(tag) :]
        elif tag == "pre":
            self._verbatim = max(0, self._verbatim - 1)
        if tag in BLOCKS:
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if not self._verbatim:
            data = SPACES.sub(" ", data)
            if data[:1] == " " and self.parts and self.parts[-1][-1] in " \n\t":
                data = data[1:]
        self._add(data)

    def _break(self, tag: str) -> None:
        if tag in ("br", "tr"):
            self._add("\n")
        elif tag in ("td", "th") and self.parts and self.parts[-1][-1] != "\n":
            self._add("\t")
        elif tag in BLOCKS:
            self._add("\n\n" if tag in PARAGRAPHS else "\n")

    def _add(self, text: str) -> None:
        if text and not self._unread:
            self._budget.take_text(text)
            self.parts.append(text)
