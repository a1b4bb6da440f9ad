"""The index of words between its three spellings."""

from __future__ import annotations

import re
import struct
from collections import Counter

LEXEME = re.compile(r"'([^']*)':([0-9,A-D]+)")
"""As Postgres writes one: our words hold neither quotes nor backslashes."""


def from_repeated(words: str) -> str:
    """FTS5 is given each word as often as it stands in the text."""
    return _neutral(Counter(words.split()))


def to_repeated(neutral: str) -> str:
    return " ".join(" ".join([word] * count) for word, count in _counts(neutral))


def from_tsvector(written: str) -> str:
    return _neutral({word: places.count(",") + 1 for word, places in LEXEME.findall(written)})


def to_tsvector(neutral: str) -> bytes:
    """In Postgres' binary format; places are counted from 1."""
    counts = _counts(neutral)
    parts = [struct.pack(">I", len(counts))]
    for word, count in counts:
        parts.append(word.encode() + b"\0" + struct.pack(f">{count + 1}H", count, *range(1, count + 1)))
    return b"".join(parts)


def _neutral(counts: dict[str, int]) -> str:
    return " ".join(f"{word}:{counts[word]}" for word in sorted(counts))


def _counts(neutral: str) -> list[tuple[str, int]]:
    pairs = (entry.rpartition(":") for entry in neutral.split())
    return [(word, int(count)) for word, _, count in pairs]
