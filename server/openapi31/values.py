"""Text as JSON values. Whatever comes out of here can be written as JSON again."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

import orjson

MAX_DEPTH = 128
"""Levels of nesting: half of what orjson writes, for whatever is put around a value."""


class TooDeep(ValueError):
    """JSON that is nested beyond `MAX_DEPTH`."""


def load_json(text: bytes | str) -> Any:
    """Raises `orjson.JSONDecodeError` and `TooDeep`, both of which are `ValueError`."""
    value = orjson.loads(text)
    if len(text) > 2 * MAX_DEPTH and _opened(text) > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise TooDeep(f"nested deeper than {MAX_DEPTH} levels")
    return value


def parse_literal(text: str) -> Any:
    """A JSON or Python literal; raises `ValueError` when it is neither, or a Python value that JSON has no word for."""
    try:
        return load_json(text)
    except orjson.JSONDecodeError:
        try:
            return load_json(orjson.dumps(ast.literal_eval(text)))
        except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise ValueError(str(error)) from None


def _opened(text: bytes | str) -> int:
    """Brackets and braces that open anything, those in strings included: the nesting is no deeper."""
    if isinstance(text, str):
        return text.count("[") + text.count("{")
    return text.count(b"[") + text.count(b"{")


def _is_deeper(value: Any, levels: int) -> bool:
    level = _containers([value])
    while level and levels:
        level = [found for node in level for found in _containers(node.values() if isinstance(node, dict) else node)]
        levels -= 1
    return bool(level)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]
