"""A source map as it was uploaded, checked and made ready to be asked.

Source: ECMA-426, "Source map format" and "Index source map".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from handlers.core.source_maps import BadMap
from handlers.core.source_maps.mappings import Mappings, decode

MOST_SECTIONS = 1_000
GUARD = b")]}'"
"""A first line that begins so is not part of the map: it keeps browsers from running it."""


@dataclass(frozen=True, slots=True)
class Position:
    """In an original source; `line` and `column` count from 0. `content` is all of the source, where the map has it."""

    source: str
    line: int
    column: int
    name: str | None
    content: str | None


@dataclass(frozen=True, slots=True)
class Section:
    """A map, and where in the generated code it begins."""

    line: int
    column: int
    sources: Sequence[str]
    contents: Sequence[str | None]
    names: Sequence[str]
    mappings: Mappings

    def find(self, line: int, column: int) -> Position | None:
        found = self.mappings.find(line - self.line, column - self.column if line == self.line else column)
        if found is None:
            return None
        name = self.names[found.name] if found.name >= 0 else None
        content = self.contents[found.source] if found.source < len(self.contents) else None
        return Position(self.sources[found.source], found.line, found.column, name, content)

    @property
    def size_bytes(self) -> int:
        texts = (*self.sources, *(one or "" for one in self.contents), *self.names)
        return self.mappings.size_bytes + sum(64 + 2 * len(text) for text in texts)


@dataclass(frozen=True, slots=True)
class SourceMap:
    """`sections` in the order of the generated code; a plain map is one. `size_bytes` is about what it takes in
    memory."""

    sections: Sequence[Section]
    size_bytes: int

    def find(self, line: int, column: int) -> Position | None:
        """Of a place in the generated code, which counts from 0."""
        index = bisect_right(self.sections, (line, column), key=lambda one: (one.line, one.column)) - 1
        return self.sections[index].find(line, column) if index >= 0 else None


def read_map(content: bytes) -> SourceMap:
    """Takes a while for a large one. Raises `BadMap`."""
    if content.startswith(GUARD):
        content = content.partition(b"\n")[2]
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        raise BadMap("it is no JSON") from None
    if not isinstance(told, dict):
        raise BadMap("it is no JSON object")
    if type(told.get("version")) is not int or told["version"] != 3:
        raise BadMap("its version must be 3")
    sections = _sections(told["sections"]) if "sections" in told else [_section(told, 0, 0)]
    return SourceMap(sections, sum(section.size_bytes for section in sections))


def _sections(told: Any) -> list[Section]:
    if not isinstance(told, list) or len(told) > MOST_SECTIONS:
        raise BadMap(f"its sections must be a list of {MOST_SECTIONS} at most")
    made: list[Section] = []
    for one in told:
        offset = one.get("offset") if isinstance(one, dict) else None
        inner = one.get("map") if isinstance(one, dict) else None
        if not isinstance(offset, dict) or not isinstance(inner, dict):
            raise BadMap("a section needs an offset and a map")
        line, column = _count(offset.get("line")), _count(offset.get("column"))
        if made and (line, column) <= (made[-1].line, made[-1].column):
            raise BadMap("its sections must follow each other")
        if "sections" in inner:
            raise BadMap("a section must not be an index itself")
        made.append(_section(inner, line, column))
    return made


def _section(told: Mapping[str, Any], line: int, column: int) -> Section:
    mappings = told.get("mappings")
    if not isinstance(mappings, str):
        raise BadMap("its mappings must be text")
    root = told.get("sourceRoot")
    if root is not None and not isinstance(root, str):
        raise BadMap("its sourceRoot must be text")
    sources = [_source(one, root) for one in _texts(told, "sources")]
    contents = _texts(told, "sourcesContent")
    names = [one or "" for one in _texts(told, "names")]
    return Section(line, column, sources, contents, names, decode(mappings, len(sources), len(names)))


def _texts(told: Mapping[str, Any], name: str) -> list[str | None]:
    found = told.get(name) or []
    if not isinstance(found, list) or not all(one is None or isinstance(one, str) for one in found):
        raise BadMap(f"its {name} must be a list of texts")
    return found


def _source(source: str | None, root: str | None) -> str:
    if source is None:
        return "<unknown>"
    return f"{root.rstrip('/')}/{source}" if root else source


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise BadMap("an offset must have a line and a column, from 0")
    return value
