"""Cutting documents: what holds for every text, and where cuts are made."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.core.retrieval.chunking import Auto, Chunk, Static, chunk
from providers import tokens
from providers.extraction.interface import Section

WORDS = [
    "tide",
    " moon",
    "Übermaß",
    "潮汐。",
    "👩‍👩‍👧",
    "e\u0301",
    ".",
    "! ",
    "\n",
    "\n\n",
    "   ",
    "\t",
    "1234567",
    "'s",
]
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=150).map("".join)
SECTIONS = st.lists(st.builds(Section, TEXTS, page=st.integers(1, 9)), min_size=1, max_size=3)
SIZES = st.integers(8, 60).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size // 2)))
STATIC, AUTO = SIZES.map(lambda sizes: Static(*sizes)), SIZES.map(lambda sizes: Auto(*sizes))
SENTENCES = [f"Sentence number {number} is about the tide in port {number}." for number in range(40)]


def joined(sections: list[Section]) -> str:
    return "\n".join(section.text for section in sections)


@settings(max_examples=150, deadline=None)
@given(SECTIONS, STATIC | AUTO)
def test_chunks_cover_the_text_at_exact_offsets_within_their_size(
    sections: list[Section], strategy: Static | Auto
) -> None:
    document, covered = joined(sections), 0
    for found in chunk(sections, strategy):
        assert document[found.start : found.stop] == found.text
        assert not found.text.isspace()
        assert found.tokens == tokens.count(found.text) <= strategy.max_chunk_size_tokens
        assert found.stop > covered
        assert document[covered : found.start].strip() == ""
        covered = found.stop
    assert document[covered:].strip() == ""


@settings(max_examples=100, deadline=None)
@given(SECTIONS, STATIC | AUTO)
def test_a_chunk_lies_within_one_section(sections: list[Section], strategy: Static | Auto) -> None:
    bounds, offset = [], 0
    for section in sections:
        bounds.append((offset, offset + len(section.text), section.page))
        offset += len(section.text) + 1
    for found in chunk(sections, strategy):
        assert any(a <= found.start < found.stop <= b and found.page == page for a, b, page in bounds)


@pytest.mark.parametrize(("size", "overlap"), [(100, 0), (100, 50), (64, 17)])
def test_static_chunks_are_full_and_overlap_by_so_many_tokens(size: int, overlap: int) -> None:
    text = " ".join(SENTENCES)
    chunks = chunk([Section(text)], Static(size, overlap))
    assert [found.tokens for found in chunks[:-1]] == [size] * (len(chunks) - 1)
    for before, after in pairwise(chunks):
        assert tokens.count(text[after.start : before.stop]) == overlap


def test_a_text_that_fits_is_one_chunk() -> None:
    sections = [Section("Ebb\n", slide=1), Section("  \n", slide=2), Section("Flow", slide=3)]
    ebb, flow = chunk(sections, Static())
    assert ebb == Chunk("Ebb\n", 0, 4, tokens.count("Ebb\n"), slide=1)
    assert flow == Chunk("Flow", 9, 13, tokens.count("Flow"), slide=3)
    assert chunk(sections, Auto())[0] == Chunk("Ebb", 0, 3, tokens.count("Ebb"), slide=1)


def test_auto_cuts_where_a_paragraph_ends_and_repeats_nothing_then() -> None:
    paragraphs = [" ".join(SENTENCES[at : at + 5]) for at in range(0, 40, 5)]
    chunks = chunk([Section("\n\n".join(paragraphs))], Auto(110, 40))
    assert [found.text for found in chunks] == paragraphs


def test_auto_cuts_where_a_sentence_ends_and_repeats_whole_sentences() -> None:
    text = " ".join(SENTENCES)
    chunks = chunk([Section(text)], Auto(100, 30))
    for before, after in pairwise(chunks):
        assert before.text.endswith(".")
        assert after.text.startswith("Sentence number")
        assert 0 < tokens.count(text[after.start : before.stop]) <= 30


def test_auto_cuts_between_lines_or_words_where_there_are_no_sentences() -> None:
    rows = chunk([Section("\n".join(f"{number},port,{number * 7}" for number in range(200)))], Auto(100, 20))
    assert all(found.text.split("\n")[0].count(",") == 2 for found in rows)
    words = chunk([Section("supercalifragilistic " * 200)], Auto(100, 20))
    assert all(set(found.text.split()) == {"supercalifragilistic"} for found in words)


def test_a_character_is_never_split() -> None:
    family = "👩‍👩‍👧𒐫"
    chunks = chunk([Section(family)], Static(1, 0))
    assert "".join(found.text for found in chunks) == family
    assert all(found.tokens == 1 or len(found.text) == 1 for found in chunks)


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (100, 51), (100, -1)])
def test_an_overlap_of_more_than_half_is_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="at most half"):
        Static(size, overlap)
    with pytest.raises(ValueError, match="at most half"):
        Auto(size, overlap)


@pytest.mark.parametrize(
    "text", [" ".join(SENTENCES) + "\n\n", "x", " \n", "。"], ids=["prose", "letter", "blank", "stop"]
)
@pytest.mark.parametrize("strategy", [Static(), Auto()], ids=["static", "auto"])
def test_time_grows_with_the_text_and_not_faster(text: str, strategy: Static | Auto) -> None:
    def seconds(characters: int) -> float:
        section = Section((text * characters)[:characters])
        started = time.process_time()
        chunk([section], strategy)
        return time.process_time() - started

    seconds(1000)
    assert seconds(800_000) < 30 * (seconds(100_000) + 0.01)
