"""The lines of a batch's files.

A row is what OpenAI's clients send, `{"custom_id", "method", "url", "body"}`, or a request's body by itself, with or
without a `custom_id`. Its answer is `{"id", "custom_id", "response": {"status_code", "request_id", "body"}, "error"}`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

import orjson

from storage.repositories.batches import Item

MAX_LINE_BYTES = 16 * 2**20
MAX_ROWS = 100_000
MAX_FAULTS = 100
LONGEST_ID = 512
GROUP = 500
NAMESPACE = UUID("6f1f3a38-5a0c-4f0e-9f0b-1d4f6f1f9c55")


class BadRow(Exception):
    """A line that is no row."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.fault: dict[str, Any] = {"code": code, "message": message, "param": param}


@dataclass(frozen=True, slots=True)
class Line:
    """`start` is where it begins, in bytes; `number` counts from 1, empty lines too."""

    number: int
    start: int
    text: bytes


async def split(pieces: AsyncIterator[bytes]) -> AsyncIterator[list[Line]]:
    """Lines that hold anything, in groups. One that is too long comes without its end, as the last."""
    rest, start, number = b"", 0, 0
    group: list[Line] = []
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for text in whole:
            number += 1
            if text.strip():
                group.append(Line(number, start, text))
            start += len(text) + 1
        if len(group) >= GROUP:
            yield group
            group = []
        if len(rest) > MAX_LINE_BYTES:
            break
    if rest.strip():
        group.append(Line(number + 1, start, rest))
    yield group


@dataclass(slots=True)
class Judge:
    """Reads a whole input before any of it is done. `urls` are the ways to write the endpoint."""

    urls: frozenset[str]
    rows: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def take(self, lines: Sequence[Line]) -> list[Item]:
        """Those that are rows; of the others there is a fault."""
        items = []
        for line in lines:
            if len(self.faults) >= MAX_FAULTS:
                break
            try:
                items.append(self._judge(line))
            except BadRow as error:
                self.faults.append({**error.fault, "line": line.number})
        return items

    def finish(self) -> None:
        if not self.rows and not self.faults:
            self.faults.append({"code": "empty_file", "message": "the input holds no row", "param": None, "line": None})

    def _judge(self, line: Line) -> Item:
        if len(line.text) > MAX_LINE_BYTES:
            raise BadRow("line_too_long", f"a line must have {MAX_LINE_BYTES} bytes at most")
        custom_id, _ = read(line.text, self.urls)
        if custom_id is not None and custom_id in self._seen:
            raise BadRow("duplicate_custom_id", f"the custom_id {custom_id} is there twice", "custom_id")
        if self.rows >= MAX_ROWS:
            raise BadRow("too_many_rows", f"a batch must have {MAX_ROWS} rows at most")
        if custom_id is not None:
            self._seen.add(custom_id)
        self.rows += 1
        return Item(self.rows - 1, custom_id, line.start, len(line.text))


def read(text: bytes, urls: frozenset[str]) -> tuple[str | None, Any]:
    """Custom id and body of a row. Raises `BadRow`."""
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRow("invalid_json_line", f"not valid JSON: {error.msg} at byte {error.pos}") from None
    if not isinstance(row, dict):
        raise BadRow("invalid_json_line", "a row must be an object")
    custom_id = row.get("custom_id")
    if "body" not in row and ("model" in row or "messages" in row or "input" in row):
        _check_id(custom_id, is_needed=False)
        return custom_id, {name: value for name, value in row.items() if name != "custom_id"}
    _check_id(custom_id, is_needed=True)
    if not isinstance(row.get("body"), dict):
        raise BadRow("missing_required_parameter", "body must be an object", "body")
    if row.get("method", "POST") != "POST":
        raise BadRow("invalid_method", "method must be POST", "method")
    if row.get("url") is not None and row["url"] not in urls:
        raise BadRow("mismatched_url", "url must be the batch's endpoint", "url")
    return custom_id, row["body"]


def _check_id(custom_id: Any, *, is_needed: bool) -> None:
    if custom_id is None and not is_needed:
        return
    if custom_id is None:
        raise BadRow("missing_required_parameter", "custom_id is required", "custom_id")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= LONGEST_ID or "\0" in custom_id:
        message = f"custom_id must be a text of {LONGEST_ID} characters at most"
        raise BadRow("invalid_custom_id", message, "custom_id")


def request_id(batch_id: str, number: int) -> str:
    """The same whenever a row is asked for, so that the ledger enters it once."""
    return str(uuid5(NAMESPACE, f"{batch_id}/{number}"))


def answered(batch_id: str, item: Item, status: int, body: Any) -> str:
    asked_as = request_id(batch_id, item.number)
    response = {"status_code": status, "request_id": asked_as, "body": body}
    return _line(asked_as, item, response, None)


def unanswered(batch_id: str, item: Item, code: str, message: str) -> str:
    return _line(request_id(batch_id, item.number), item, None, {"code": code, "message": message})


def _line(asked_as: str, item: Item, response: Any, error: Any) -> str:
    line = {
        "id": f"batch_req_{asked_as.replace('-', '')}",
        "custom_id": item.custom_id,
        "response": response,
        "error": error,
    }
    return orjson.dumps(line).decode()
