"""The `mappings` of a source map, decoded in bulk: a map has up to millions of them, and the loops are numpy's, which
lets the event loop run meanwhile.

Source: ECMA-426, "Decode mappings" and "VLQ".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from handlers.core.source_maps import BadMap

Ints = NDArray[np.int64]

ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
COMMA, SEMICOLON, WRONG = 64, 65, 255
MORE = 32
"""The bit of a digit that another of the same number follows."""
LONGEST_DIGITS = 7
LARGEST = 2**31 - 1
BLOCK_CHARS = 262_144
"""So many characters are decoded at once, which bounds what it takes beside the result."""
MOST_MAPPINGS = 2_000_000


class Original(NamedTuple):
    """Where a mapping points to: indices into `sources` and `names`, a line and a column, all from 0; `name` -1 is
    none."""

    source: int
    line: int
    column: int
    name: int


@dataclass(frozen=True, slots=True)
class Mappings:
    """One row for each mapping, sorted by `keys`: generated line times 2^32 plus generated column. `sources` is -1
    where generated code has no original."""

    keys: Ints
    sources: NDArray[np.int32]
    lines: NDArray[np.int32]
    columns: NDArray[np.int32]
    names: NDArray[np.int32]

    @property
    def size_bytes(self) -> int:
        return self.keys.nbytes + 4 * self.sources.nbytes

    def find(self, line: int, column: int) -> Original | None:
        """Of the last mapping of that line which does not begin behind the column."""
        row = int(np.searchsorted(self.keys, (line << 32) + column, side="right")) - 1
        if row < 0 or int(self.keys[row]) >> 32 != line or self.sources[row] < 0:
            return None
        return Original(int(self.sources[row]), int(self.lines[row]), int(self.columns[row]), int(self.names[row]))


def decode(mappings: str, source_count: int, name_count: int) -> Mappings:
    """Raises `BadMap`."""
    parts: list[NDArray[np.int64]] = []
    carried = _Carried()
    total = 0
    for block in _blocks(_digits(mappings)):
        rows = _decode_block(block, carried)
        total += rows.shape[1]
        if total > MOST_MAPPINGS:
            raise BadMap(f"there are more than {MOST_MAPPINGS} mappings")
        _check(rows, source_count, name_count)
        parts.append(rows)
    rows = np.concatenate(parts, axis=1) if parts else np.empty((6, 0), np.int64)
    keys = (rows[0] << 32) + rows[1]
    if np.any(keys[1:] < keys[:-1]):
        order = np.argsort(keys, kind="stable")
        keys, rows = keys[order], rows[:, order]
    source, line, column, name = (rows[index].astype(np.int32) for index in range(2, 6))
    return Mappings(keys, source, line, column, name)


class _Carried:
    """What goes on from one block to the next: the numbers of a map are differences. In the order of a mapping's
    fields: column, source, line, column, name."""

    def __init__(self) -> None:
        self.generated_line = 0
        self.last = [0, 0, 0, 0, 0]


def _digits(mappings: str) -> NDArray[np.uint8]:
    table = np.full(256, WRONG, np.uint8)
    table[np.frombuffer(ALPHABET, np.uint8)] = np.arange(64, dtype=np.uint8)
    table[ord(",")], table[ord(";")] = COMMA, SEMICOLON
    found: NDArray[np.uint8] = table[np.frombuffer(mappings.encode(errors="replace"), np.uint8)]
    if np.any(found == WRONG):
        raise BadMap("mappings has a character that is no base64 VLQ")
    return found


def _blocks(digits: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Each ends behind a separator, or at the end of all."""
    start = 0
    while start < len(digits):
        stop = start + BLOCK_CHARS
        if stop < len(digits):
            ahead = np.flatnonzero(digits[stop : stop + 128] >= COMMA)
            if not len(ahead):
                raise BadMap("mappings has a segment that is too long")
            stop += int(ahead[0]) + 1
        yield digits[start:stop]
        start = stop


def _decode_block(block: NDArray[np.uint8], carried: _Carried) -> Ints:
    """Rows of six: generated line and column, source, line, column, name; -1 for what a mapping does not have."""
    breaks = block >= COMMA
    numbers, segment_of_number = _numbers(block, breaks)
    counts = np.bincount(segment_of_number, minlength=int(breaks.sum()) + 1)
    if np.any((counts > 5) | (counts == 2) | (counts == 3)):
        raise BadMap("mappings has a segment that has not 1, 4 or 5 fields")
    line_breaks = np.concatenate(([0], np.cumsum(block[breaks] == SEMICOLON)))
    there = np.flatnonzero(counts)
    counts, lines = counts[there], line_breaks[there]
    first = np.cumsum(counts) - counts
    rows = np.full((6, len(there)), -1, np.int64)
    rows[0] = lines + carried.generated_line
    rows[1] = _columns(numbers[first], lines, carried)
    with_source = np.flatnonzero(counts >= 4)
    for field in (1, 2, 3):
        rows[field + 1, with_source] = _running(numbers[first[with_source] + field], field, carried)
    with_name = np.flatnonzero(counts == 5)
    rows[5, with_name] = _running(numbers[first[with_name] + 4], 4, carried)
    total_breaks = int(line_breaks[-1])
    ended = not len(lines) or int(lines[-1]) < total_breaks
    if len(lines):
        carried.last[0] = 0 if ended else int(rows[1, -1])
    elif total_breaks:
        carried.last[0] = 0
    carried.generated_line += total_breaks
    return rows


def _numbers(block: NDArray[np.uint8], breaks: NDArray[np.bool_]) -> tuple[Ints, NDArray[Any]]:
    """The numbers of a block, and of each the segment to which it belongs."""
    places = np.flatnonzero(~breaks)
    digits = block[places].astype(np.int64)
    ends = digits < MORE
    if not len(digits):
        return np.empty(0, np.int64), np.empty(0, np.intp)
    followed = np.flatnonzero(~ends)
    if not ends[-1] or np.any(places[followed + 1] != places[followed] + 1):
        raise BadMap("mappings has a number that is broken off")
    starts = np.concatenate(([0], np.flatnonzero(ends)[:-1] + 1))
    lengths = np.diff(np.append(starts, len(digits)))
    if int(lengths.max()) > LONGEST_DIGITS:
        raise BadMap("mappings has a number that is too large")
    within = np.arange(len(digits)) - np.repeat(starts, lengths)
    raw = np.add.reduceat((digits & 31) << (5 * within), starts)
    magnitude = raw >> 1
    if int(magnitude.max()) > LARGEST:
        raise BadMap("mappings has a number that is too large")
    numbers = np.where(raw & 1, -magnitude, magnitude)
    return numbers, np.cumsum(breaks)[places[starts]]


def _columns(deltas: Ints, lines: NDArray[Any], carried: _Carried) -> Ints:
    """They begin anew on each line."""
    totals = np.cumsum(deltas)
    if not len(deltas):
        return totals
    is_first = np.concatenate(([lines[0] > 0], lines[1:] != lines[:-1]))
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(deltas)), -1))
    base = np.where(first >= 0, (totals - deltas)[first], -carried.last[0])
    return np.asarray(totals - base)


def _running(deltas: Ints, field: int, carried: _Carried) -> Ints:
    values = np.cumsum(deltas) + carried.last[field]
    if len(values):
        _check_span(values)
        carried.last[field] = int(values[-1])
    return values


def _check(rows: Ints, source_count: int, name_count: int) -> None:
    if not rows.shape[1]:
        return
    _check_span(rows[1])
    if int(rows[2].max()) >= source_count:
        raise BadMap("mappings names a source that is not there")
    if int(rows[5].max()) >= name_count:
        raise BadMap("mappings names a name that is not there")


def _check_span(values: Ints) -> None:
    if int(values.min()) < 0 or int(values.max()) > LARGEST:
        raise BadMap("mappings goes below zero, or beyond 32 bits")
