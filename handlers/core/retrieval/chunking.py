"""A document cut into the stretches that are embedded, searched and cited.

A chunk lies within one section, however short that is, so that its page, slide or sheet is exact; sections are never
joined. White space alone makes no chunk. Tokens are those of `o200k_base`, counted on the chunk's own text. Cutting
takes time in proportion to the text, about three seconds for ten million characters: call it in a thread.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from providers import tokens
from providers.extraction.interface import Section

SENTENCE_END = re.compile(r"[.!?][\"'”’)\]]*(?=\s)|[。！？]")  # noqa: RUF001  the full stops of Chinese and Japanese
BETWEEN = 1
"""Characters between two sections in the document's text."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """`start` and `stop` are character offsets in the document's text, which is its sections joined by one newline."""

    text: str
    start: int
    stop: int
    tokens: int
    page: int | None = None
    slide: int | None = None
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Static:
    """Every chunk is as long as it may be, and begins with the last `chunk_overlap_tokens` of the one before it, as
    the section's tokens are counted. Raises `ValueError` when the overlap is more than half of a chunk."""

    max_chunk_size_tokens: int = 800
    chunk_overlap_tokens: int = 400

    def __post_init__(self) -> None:
        _check(self.max_chunk_size_tokens, self.chunk_overlap_tokens)


@dataclass(frozen=True, slots=True)
class Auto:
    """Chunks end where a paragraph does, or else a sentence, a line or a word, in their second half. After the end of
    a sentence the next one repeats the last whole sentences that fit into the overlap. The size is what the embedded
    model can read, and with room for languages in which its vocabulary is poorer."""

    max_chunk_size_tokens: int = 320
    chunk_overlap_tokens: int = 48

    def __post_init__(self) -> None:
        _check(self.max_chunk_size_tokens, self.chunk_overlap_tokens)


def chunk(sections: Sequence[Section], strategy: Static | Auto) -> list[Chunk]:
    """A character of more tokens than a chunk may have is a chunk of its own, and the only one above the limit."""
    chunks, offset = [], 0
    for section in sections:
        for span in _spans(section.text, strategy):
            text = section.text[span.start : span.stop]
            place = (section.page, section.slide, section.sheet)
            chunks.append(Chunk(text, offset + span.start, offset + span.stop, span.tokens, *place))
        offset += len(section.text) + BETWEEN
    return chunks


class _Span(NamedTuple):
    """`tokens` is zero when there is nothing but white space."""

    start: int
    stop: int
    tokens: int


def _spans(text: str, strategy: Static | Auto) -> Iterator[_Span]:
    size, whole = strategy.max_chunk_size_tokens, _measure(text, (0, len(text)), strategy)
    if whole.tokens <= size:
        yield from [whole] if whole.tokens else []
        return
    ruler, start, covered = _Ruler(text), 0, 0
    while covered < len(text):
        stop, span = _fit(ruler, strategy, start, covered)
        if stop <= covered:  # the overlap leaves no room for anything new
            start = covered
            continue
        if span.tokens:
            yield span
        repeated = _repeat(ruler, strategy, stop)
        start, covered = (repeated if repeated > start else stop), stop


def _fit(ruler: _Ruler, strategy: Static | Auto, start: int, covered: int) -> tuple[int, _Span]:
    """Where the chunk that begins at `start` ends, and what of it is kept. Cut out of its text, a chunk may have a
    token more than inside of it: then it is shortened."""
    size = allowed = strategy.max_chunk_size_tokens
    while True:
        stop = ruler.forward(start, allowed)
        if isinstance(strategy, Auto) and stop < len(ruler.text):
            stop = _last_boundary(ruler.text, max(covered, start + (stop - start) // 2), stop)
        span = _measure(ruler.text, (start, stop), strategy)
        if span.tokens <= size or allowed == 1:
            return stop, span
        allowed = max(1, allowed - (span.tokens - size))


def _measure(text: str, bounds: tuple[int, int], strategy: Static | Auto) -> _Span:
    start, stop = bounds
    inner = text[start:stop]
    if not inner or inner.isspace():
        return _Span(start, stop, 0)
    if isinstance(strategy, Auto):
        start, stop = stop - len(inner.lstrip()), start + len(inner.rstrip())
        inner = inner.strip()
    return _Span(start, stop, tokens.count(inner))


def _repeat(ruler: _Ruler, strategy: Static | Auto, stop: int) -> int:
    """Where the chunk after one that ends at `stop` begins."""
    earliest = ruler.backward(stop, strategy.chunk_overlap_tokens)
    if isinstance(strategy, Static):
        return earliest
    if "\n\n" in ruler.text[stop - 2 : stop + 2]:
        return stop
    sentence = SENTENCE_END.search(ruler.text, earliest, stop)
    return sentence.end() if sentence else stop


def _last_boundary(text: str, least: int, most: int) -> int:
    """The best place to cut after `least` and not after `most`, which is where to cut when there is no better."""
    paragraph = text.rfind("\n\n", least, most)
    if paragraph > least:
        return paragraph + 2
    sentence = max((found.end() for found in SENTENCE_END.finditer(text, least, most)), default=most)
    if sentence < most:
        return sentence
    for gap in ("\n", " "):
        if (found := text.rfind(gap, least, most)) > least:
            return found + 1
    return most


class _Ruler:
    """A text with its tokens marked; those that share a character are one mark."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._ends, self._totals = array("I"), array("I")
        end = total = 0
        for piece in tokens.cut(text):
            end += len(piece.text)
            total += piece.tokens
            self._ends.append(end)
            self._totals.append(total)

    def forward(self, start: int, most_tokens: int) -> int:
        """The last mark that is at most so many tokens after `start`, or else the first one after it."""
        first = bisect_right(self._ends, start)
        before = self._totals[first - 1] if first else 0
        last = bisect_right(self._totals, before + most_tokens) - 1
        return self._ends[max(first, last)]

    def backward(self, stop: int, most_tokens: int) -> int:
        """The first mark that is at most so many tokens before `stop`."""
        least = self._totals[bisect_left(self._ends, stop)] - most_tokens
        return self._ends[bisect_left(self._totals, least)] if least > 0 else 0


def _check(size_tokens: int, overlap_tokens: int) -> None:
    if size_tokens < 1 or not 0 <= overlap_tokens <= size_tokens // 2:
        raise ValueError("the overlap must be at most half of the size, which is at least one token")
