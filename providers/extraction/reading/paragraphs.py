"""The text of WordprocessingML and DrawingML, which say paragraph, run and table in the same words.

Source: ECMA-376, part 1, 17.3 (paragraphs and runs), 17.4 (tables) and 21.1.2 (text in drawings).
"""

from __future__ import annotations

from collections.abc import Mapping

from providers.extraction.reading.budget import Budget

UNREAD = frozenset({"pPr", "rPr", "sectPr", "tblPr", "Fallback", "del", "moveFrom"})
"""Formatting (whose tabs are stops, not text), second versions of a drawing for old readers, and deleted text."""

BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


class Paragraphs:
    """Paragraphs end with `paragraph_end`, those of a table's cell with a space, cells with a tab, rows with a line."""

    def __init__(self, budget: Budget, paragraph_end: str = "\n\n", unread: frozenset[str] = frozenset()) -> None:
        self._budget = budget
        self._paragraph_end = paragraph_end
        self._unread_names = UNREAD | unread
        self._parts: list[str] = []
        self._unread = 0
        self._cells = 0
        self._in_text = 0

    def take(self) -> str:
        text = "".join(self._parts).strip()
        self._parts.clear()
        return text

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if self._unread or name in self._unread_names:
            self._unread += 1
        elif name == "t":
            self._in_text += 1
        elif name == "tc":
            self._cells += 1
        elif name in BREAKS:
            self._add(BREAKS[name])

    def end(self, name: str) -> None:
        if self._unread:
            self._unread -= 1
        elif name == "t":
            self._in_text -= 1
        elif name == "p":
            self._add(" " if self._cells else self._paragraph_end)
        elif name == "tc":
            self._cells -= 1
            self._end_with("\t")
        elif name == "tr":
            self._end_with("\n")
        elif name in ("tbl", "sp"):
            self._add("\n")

    def text(self, text: str) -> None:
        if self._in_text and not self._unread:
            self._add(text)

    def _add(self, text: str) -> None:
        self._budget.take_text(text)
        self._parts.append(text)

    def _end_with(self, mark: str) -> None:
        """Puts a mark in the place of the one before it."""
        if self._parts and self._parts[-1] in (" ", "\t"):
            self._parts.pop()
        self._add(mark)
