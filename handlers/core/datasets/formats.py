"""Bytes as rows: JSON lines, a JSON list, CSV with a head, Parquet."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable
from typing import Any

import orjson

from handlers.core.datasets.columns import Columns, typed
from handlers.core.errors import Invalid
from providers.parquet.interface import ParquetReader, Unreadable

LARGEST_FIELD = 16 * 2**20
MOST_ROWS = 1_000_000
_PARQUET = b"PAR1"


async def read(content: bytes, hint: str, columns: Columns, parquet: ParquetReader) -> list[dict[str, Any]]:
    """`hint` is a media type or a file's name, which a Parquet file does not need. Raises `Invalid`."""
    if content.startswith(_PARQUET):
        try:
            content, hint = await parquet.read(content), "jsonl"
        except Unreadable as error:
            raise _unreadable(str(error)) from None
    return await asyncio.to_thread(_read, content, hint, columns)


def _read(content: bytes, hint: str, columns: Columns) -> list[dict[str, Any]]:
    start = content.lstrip()[:1]
    if _is_csv(hint, start):
        return [typed(row, columns) for row in _checked(_csv(content))]
    if start == b"[":
        return _checked(_json(content, "the content"))
    return _checked(_lines(content))


def _is_csv(hint: str, start: bytes) -> bool:
    hint = hint.lower()
    if "csv" in hint:
        return True
    return start not in (b"[", b"{") and "json" not in hint


def _lines(content: bytes) -> Iterable[Any]:
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            yield _json(line, f"line {number}")


def _json(text: bytes, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _unreadable(f"{where} is no JSON: {error.msg}") from None


def _csv(content: bytes) -> Iterable[Any]:
    csv.field_size_limit(LARGEST_FIELD)
    try:
        text = content.decode("utf-8-sig")
        for number, row in enumerate(csv.DictReader(io.StringIO(text, newline=""), strict=True), 1):
            if None in row or None in row.values():
                raise _unreadable(f"row {number} of the CSV has more or fewer fields than its head")
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise _unreadable(f"the content is no CSV: {error}") from None


def _checked(rows: Iterable[Any]) -> list[dict[str, Any]]:
    found = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise _unreadable(f"row {number} is no object")
        if number >= MOST_ROWS:
            raise _unreadable(f"there are more than {MOST_ROWS} rows")
        found.append(row)
    return found


def _unreadable(message: str) -> Invalid:
    return Invalid(message, code="dataset_not_readable", param="source")
