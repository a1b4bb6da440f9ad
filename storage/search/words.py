"""The words of a text as they are indexed, and BM25, which ranks by them (Robertson and Zaragoza, 2009)."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float64]

WORD = re.compile(r"[^\W_]+")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
"""Scripts that do not write spaces between words: their pairs of characters stand for words."""
LONGEST_WORD = 64
MOST_ALIKE = 255
"""Postgres keeps no more places of a word; nobody counts further."""
SATURATION, LENGTH_WEIGHT = 1.2, 0.75
MOST_WORDS = 64
"""Of a query."""

COMMON_WORDS = """
    a about after all also am an and any are as at be because been before being between both but by can could did do
    does doing during each few for from further had has have having he her here hers him his how i if in into is it its
    itself me more most my no nor not of off on once only or other our out over own same she should so some such than
    that the their them then there these they this those through to too under until up very was we were what when where
    which while who whom why will with would you your
"""
COMMON = frozenset(COMMON_WORDS.split())
"""English words that say nothing about what is asked for; they count when a query has no others."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of a collection."""

    chunks: int
    words: int


@dataclass(frozen=True, slots=True)
class Postings:
    """The chunks that hold a word, in ascending order, how often each does, and how many words each has."""

    chunk_nos: Numbers
    counts: Numbers
    lengths: Numbers


def words_of(text: str) -> list[str]:
    """In their order, of the characters a-z and 0-9 and, for others, `_` and their UTF-8 in hex."""
    return [_spell(word) for word in _split(unicodedata.normalize("NFKC", text).casefold())]


def query_words(texts: Iterable[str]) -> list[str]:
    """Each once."""
    said = dict.fromkeys(word for text in texts for word in _split(unicodedata.normalize("NFKC", text).casefold()))
    telling = [word for word in said if word not in COMMON] or list(said)
    return list(dict.fromkeys(_spell(word) for word in telling))[:MOST_WORDS]


def counted(words: Sequence[str]) -> Mapping[str, int]:
    return {word: min(count, MOST_ALIKE) for word, count in Counter(words).items()}


@dataclass(frozen=True, slots=True)
class Ranking:
    """Chunks in ascending order, their scores, which are above 0, and their shares: how much of what all words of the
    query weigh is in the chunk's words, from 0 to 1."""

    chunk_nos: Numbers
    scores: Scores
    shares: Scores


def rank(found: Sequence[Postings], absent: int, statistics: Statistics) -> Ranking:
    """The chunks that hold any of the words; `absent` is how many words of the query no chunk holds."""
    average = max(1.0, statistics.words / max(1, statistics.chunks))
    total = absent * _rarity(0, statistics)
    chunk_nos, scores, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.float64)], [np.zeros(0, np.float64)]
    for postings in found:
        rarity = _rarity(len(postings.chunk_nos), statistics)
        dampening = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * postings.lengths / average)
        total += rarity
        chunk_nos.append(postings.chunk_nos)
        scores.append(rarity * postings.counts * (SATURATION + 1) / (postings.counts + dampening))
        weights.append(np.full(len(postings.chunk_nos), rarity))
    unique, places = np.unique(np.concatenate(chunk_nos), return_inverse=True)
    sums, held = (np.bincount(places, np.concatenate(parts), len(unique)) for parts in (scores, weights))
    return Ranking(unique, sums.astype(np.float64), held.astype(np.float64) / max(total, 1e-9))


def _rarity(holding: int, statistics: Statistics) -> float:
    return float(np.log1p((max(statistics.chunks, holding) - holding + 0.5) / (holding + 0.5)))


def _split(text: str) -> Iterator[str]:
    for word in WORD.findall(text):
        start = 0
        for stretch in UNSPACED.finditer(word):
            if stretch.start() > start:
                yield _stem(word[start : stretch.start()])
            yield from _pairs(stretch[0])
            start = stretch.end()
        if start < len(word):
            yield _stem(word[start:])


def _pairs(text: str) -> Iterator[str]:
    if len(text) == 1:
        yield text
    for place in range(len(text) - 1):
        yield text[place : place + 2]


def _stem(word: str) -> str:
    """Without an English plural's ending (Harman, 1991); words of other languages lose theirs on both sides alike."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("us", "ss")):
        return word
    if word.endswith("ies"):
        return word if word.endswith(("eies", "aies")) else f"{word[:-3]}y"
    return word[:-1]


def _spell(word: str) -> str:
    word = word[:LONGEST_WORD]
    return word if word.isascii() else f"_{word.encode('utf-8', 'replace').hex()}"
