"""Takes out of texts what the rules find. Costs time: not for the event loop."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from handlers.core.capture.redaction.rules import RULE_SETS, RULES, Rule

SEPARATOR = b"\x1e"


@dataclass(frozen=True, slots=True)
class Redacted:
    """`counts` says how often each rule took something out."""

    text: str
    counts: Counter[str]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    start: int
    end: int
    rule: str


def redact(texts: Sequence[str], rule_set: str) -> list[Redacted]:
    """Each text with `[REDACTED:rule]` in place of what was found. `rule_set` is one of `RULE_SETS`."""
    # all at once: most texts are short, and each search has a price of its own
    data = SEPARATOR.join(text.replace("\x1e", " ").encode("utf-8", "replace") for text in texts)
    starts = [0]
    for piece in data.split(SEPARATOR):
        starts.append(starts[-1] + len(piece) + 1)
    spans: list[list[Span]] = [[] for _ in texts]
    for span in _merge(_find(data, rule_set)):
        spans[bisect_right(starts, span.start) - 1].append(span)
    return [_cut(data, starts[number], starts[number + 1] - 1, found) for number, found in enumerate(spans)]


def _find(data: bytes, rule_set: str) -> Iterable[Span]:
    for rule, pattern in _compiled(rule_set):
        group = min(pattern.groups, 1)
        position = 0
        while match := pattern.search(data, position):
            start, end = match.span(group)
            size = rule.size(data[start:end].decode("utf-8", "replace"))
            if size:
                taken = len(data[start:end].decode("utf-8", "replace")[:size].encode())
                yield Span(start, min(start + taken, end), rule.name)
                position = max(start + taken, position + 1)
            else:
                position = _next_word(data, match.start(), match.end()) if rule.is_bounded else match.end()


def _next_word(data: bytes, start: int, end: int) -> int:
    """Behind the first word of a match: there the next one may begin."""
    place = start + 1
    while place < end and (data[place : place + 1].isalnum() or data[place] == 0x5F):
        place += 1
    return place


def _merge(spans: Iterable[Span]) -> list[Span]:
    """What overlaps is one, under the name of what begins first."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Span(last.start, max(last.end, span.end), last.rule)
        else:
            merged.append(span)
    return merged


def _cut(data: bytes, start: int, end: int, spans: Sequence[Span]) -> Redacted:
    pieces, place = [], start
    for span in spans:
        pieces += [data[place : span.start], b"[REDACTED:%b]" % span.rule.encode()]
        place = span.end
    pieces.append(data[place:end])
    return Redacted(b"".join(pieces).decode("utf-8", "replace"), Counter(span.rule for span in spans))


@cache
def _compiled(rule_set: str) -> list[tuple[Rule, Any]]:
    # imported and compiled on first need: most servers keep no content
    import re2

    kinds = RULE_SETS[rule_set]
    options = re2.Options()
    options.log_errors = False  # to stderr; where its quick way runs out of memory it takes a slower one
    return [(rule, re2.compile(rule.pattern.encode(), options)) for rule in RULES if rule.kind in kinds]
