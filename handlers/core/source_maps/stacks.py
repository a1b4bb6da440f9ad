"""Call stacks as text. Lines and columns count from 1, as every browser and Node writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_LINE = 2_048


@dataclass(frozen=True, slots=True)
class Frame:
    """A call; `file` None is one that nothing is known of but its `text`."""

    text: str
    function: str | None = None
    file: str | None = None
    line: int = 0
    column: int = 0


def read_stack(stack: str, most: int) -> list[Frame]:
    """The calls of a stack, newest first, `most` at most; lines above them, which say what happened, are left out."""
    frames: list[Frame] = []
    for line in stack.splitlines():
        text = line.strip()[:LONGEST_LINE]
        frame = _read(text)
        if frame.file is not None or (frames and text) or text.startswith("at "):
            frames.append(frame)
        if len(frames) == most:
            break
    return frames


def write_stack(header: str, lines: Sequence[str]) -> str:
    return "\n".join([header, *(f"    at {line}" for line in lines)])


def _read(text: str) -> Frame:
    """`at name (file:1:2)` or `at file:1:2` of V8, `name@file:1:2` of Firefox and Safari."""
    if text.startswith("at "):
        called = text[3:]
        function, bracket, place = called.rpartition(" (")
        if not bracket or not place.endswith(")"):
            function, place = "", called.removeprefix("async ")
        return _frame(called, function, place.removesuffix(")") if bracket else place)
    function, sign, place = text.partition("@")
    return _frame(text, function, place if sign else text)


def _frame(text: str, function: str, place: str) -> Frame:
    file, _, column = place.rpartition(":")
    file, _, line = file.rpartition(":")
    if not file or not _is_count(line) or not _is_count(column):
        return Frame(text)
    return Frame(text, function or None, file, int(line), int(column))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) > 0
