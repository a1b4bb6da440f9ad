"""Source maps by ECMA-426: whatever is encoded is found again, and what is wrong is refused."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.core.source_maps import BadMap, mappings
from handlers.core.source_maps.parse import read_map

DIGITS = mappings.ALPHABET.decode()
SOURCES, NAMES = 5, 4
Row = tuple[int, ...]
"""Generated line and column, then source, line and column, then name."""


def vlq(number: int) -> str:
    value, digits = (abs(number) << 1) | (number < 0), ""
    while True:
        digit, value = value & 31, value >> 5
        digits += DIGITS[digit | 32 if value else digit]
        if not value:
            return digits


def encode(rows: Sequence[Row]) -> str:
    lines: list[list[str]] = [[]]
    column, last = 0, [0, 0, 0, 0]
    for line, start, *fields in rows:
        while len(lines) <= line:
            lines.append([])
            column = 0
        text = vlq(start - column)
        for index, value in enumerate(fields):
            text += vlq(value - last[index])
            last[index] = value
        lines[-1].append(text)
        column = start
    return ";".join(",".join(line) for line in lines)


def document(text: str, **fields: Any) -> bytes:
    told = {"version": 3, "sources": [f"s{n}" for n in range(SOURCES)], "names": [f"n{n}" for n in range(NAMES)]}
    return orjson.dumps(told | {"mappings": text} | fields)


numbers = st.integers(0, 2**31 - 1) | st.integers(0, 40)
places = st.tuples(st.integers(0, 6), numbers)
originals = st.one_of(
    st.just(()),
    st.tuples(st.integers(0, SOURCES - 1), numbers, numbers),
    st.tuples(st.integers(0, SOURCES - 1), numbers, numbers, st.integers(0, NAMES - 1)),
)
tables = st.dictionaries(places, originals, max_size=40).map(lambda found: [(*k, *found[k]) for k in sorted(found)])


def expected(rows: Sequence[Row], line: int, column: int) -> Row | None:
    """What follows from the table itself."""
    index = bisect_right([row[:2] for row in rows], (line, column)) - 1
    if index < 0 or rows[index][0] != line or len(rows[index]) == 2:
        return None
    return rows[index][2:]


def found_in(content: bytes, line: int, column: int) -> Row | None:
    position = read_map(content).find(line, column)
    if position is None:
        return None
    name = () if position.name is None else (int(position.name[1:]),)
    return (int(position.source[1:]), position.line, position.column, *name)


@settings(deadline=None)
@given(rows=tables, asked=places)
def test_every_place_leads_to_the_mapping_before_it(rows: list[Row], asked: Row) -> None:
    content = document(encode(rows))
    for place in [asked, *(row[:2] for row in rows)]:
        assert found_in(content, *place) == expected(rows, *place)


@settings(deadline=None)
@given(rows=tables, block=st.integers(1, 30))
def test_it_does_not_matter_where_blocks_end(rows: list[Row], block: int) -> None:
    digits = mappings._digits(encode(rows))
    carried, whole = mappings._Carried(), mappings.decode(encode(rows), SOURCES, NAMES)
    ends = [index + 1 for index, digit in enumerate(digits) if digit >= mappings.COMMA][::block]
    parts = [
        mappings._decode_block(digits[start:stop], carried)
        for start, stop in zip([0, *ends], [*ends, len(digits)], strict=True)
    ]
    assert [int(key) for part in parts for key in (part[0] << 32) + part[1]] == whole.keys.tolist()
    assert [int(line) for part in parts for line in part[3]] == whole.lines.tolist()


@settings(deadline=None)
@given(first=tables, second=tables, offset=st.tuples(st.integers(7, 9), st.integers(0, 50)), asked=places)
def test_an_index_leads_to_the_map_of_its_section(first: list[Row], second: list[Row], offset: Row, asked: Row) -> None:
    line, column = offset
    sections = [
        {"offset": {"line": 0, "column": 0}, "map": orjson.loads(document(encode(first)))},
        {"offset": {"line": line, "column": column}, "map": orjson.loads(document(encode(second)))},
    ]
    content = orjson.dumps({"version": 3, "sections": sections})
    assert found_in(content, *asked) == expected(first, *asked)
    moved = (asked[0] + line, asked[1] + (column if asked[0] == 0 else 0))
    assert found_in(content, *moved) == expected(second, *asked)


@settings(deadline=None, max_examples=300)
@given(text=st.text(alphabet="ACDgzX9+/,;-", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read = mappings.decode(text, SOURCES, NAMES)
    except BadMap:
        return
    assert (read.keys[1:] >= read.keys[:-1]).all()
    assert ((read.sources < SOURCES) & (read.names < NAMES)).all()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"version":2,"sources":[],"mappings":""}',
        b'{"version":true,"sources":[],"mappings":""}',
        b'{"version":3,"sources":[]}',
        document("A", sources="a"),
        document("A", names=[1]),
        document("A", sourceRoot=3),
        document("A A"),
        document("Ä"),
        document("g"),
        document("AA"),
        document("AAAAAA"),
        document("ACAA,AKAA"),
        document("AADA"),
        document("D"),
        document("AAAAK"),
        document("gggggggB"),
        document("////////"),
        b'{"version":3,"sections":{}}',
        b'{"version":3,"sections":[{"offset":{"line":0,"column":-1},"map":{}}]}',
        b'{"version":3,"sections":[{"offset":{"line":0,"column":0},"url":"x"}]}',
        b'{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":{"version":3,"sections":[]}}]}',
    ],
)
def test_what_is_wrong_is_refused(content: bytes) -> None:
    with pytest.raises(BadMap):
        read_map(content)


def test_sections_that_overlap_are_refused() -> None:
    section = {"offset": {"line": 1, "column": 0}, "map": orjson.loads(document("A"))}
    with pytest.raises(BadMap):
        read_map(orjson.dumps({"version": 3, "sections": [section, section]}))


def test_sources_have_their_root_and_their_content() -> None:
    fields = {"sourceRoot": "webpack://app/", "sources": ["a.ts", None], "sourcesContent": ["one", None]}
    read = read_map(b")]}'\n" + document("AAAA,CCAA", **fields))
    first, second = read.find(0, 0), read.find(0, 1)
    assert first is not None
    assert second is not None
    assert (first.source, first.content) == ("webpack://app/a.ts", "one")
    assert (second.source, second.content) == ("<unknown>", None)
