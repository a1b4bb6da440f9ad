"""The input of a batch, read before any of it is done."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from handlers.core.batches import lines
from handlers.core.batches.lines import BadRow, Judge, Line
from storage.repositories.batches import Item

URLS = frozenset({"/v1/chat/completions"})


async def split(text: bytes, size: int) -> list[Line]:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(text), size):
            yield text[at : at + size]

    return [line async for group in lines.split(pieces()) for line in group]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
async def test_lines_are_where_they_say(size: int) -> None:
    text = b"\n{a}\r\n\n  \n{bc}\n{d}"
    found = await split(text, size)
    assert [(line.number, line.text.strip()) for line in found] == [(2, b"{a}"), (5, b"{bc}"), (6, b"{d}")]
    assert all(text[line.start : line.start + len(line.text)] == line.text for line in found)


async def test_nothing_holds_no_line() -> None:
    assert await split(b"", 10) == []
    assert await split(b"\n\n", 1) == []


def judged(*rows: Any) -> Judge:
    judge = Judge(URLS)
    texts = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]
    judge.take([Line(number, 0, text) for number, text in enumerate(texts, 1)])
    judge.finish()
    return judge


BODY = {"model": "m", "messages": []}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"{", "invalid_json_line"),
        (b"[]", "invalid_json_line"),
        (b"\xff", "invalid_json_line"),
        ({"body": BODY}, "missing_required_parameter"),
        ({"custom_id": "a"}, "missing_required_parameter"),
        ({"custom_id": "a", "body": "text"}, "missing_required_parameter"),
        ({"custom_id": "a", "body": BODY, "method": "GET"}, "invalid_method"),
        ({"custom_id": "a", "body": BODY, "url": "/v1/embeddings"}, "mismatched_url"),
        ({"custom_id": 7, "body": BODY}, "invalid_custom_id"),
        ({"custom_id": "a\0", "body": BODY}, "invalid_custom_id"),
        ({"custom_id": "a" * 513, "body": BODY}, "invalid_custom_id"),
    ],
)
def test_what_is_no_row(row: Any, code: str) -> None:
    (fault,) = judged(row).faults
    assert (fault["code"], fault["line"]) == (code, 1)


def test_rows_of_both_kinds() -> None:
    assert lines.read(orjson.dumps({"custom_id": "a", "body": BODY}), URLS) == ("a", BODY)
    assert lines.read(orjson.dumps({"custom_id": "a", **BODY}), URLS) == ("a", BODY)
    assert lines.read(orjson.dumps(BODY), URLS) == (None, BODY)
    with pytest.raises(BadRow):
        lines.read(b"{}", URLS)


def test_the_same_custom_id_twice_and_too_many_faults() -> None:
    row = {"custom_id": "a", "body": BODY}
    assert [fault["code"] for fault in judged(row, BODY, BODY, row).faults] == ["duplicate_custom_id"]
    assert len(judged(*[b"{"] * 500).faults) == lines.MAX_FAULTS


def test_a_row_is_asked_for_under_one_id() -> None:
    first = lines.request_id("batch-1", 7)
    assert uuid.UUID(first)
    assert lines.request_id("batch-1", 7) == first
    assert len({first, lines.request_id("batch-1", 8), lines.request_id("batch-2", 7)}) == 3


def test_lines_of_the_files() -> None:
    item = Item(3, "mine", 0, 10)
    told = orjson.loads(lines.answered("batch-1", item, 200, {"x": 1}))
    request_id = lines.request_id("batch-1", 3)
    assert told == {
        "id": f"batch_req_{request_id.replace('-', '')}",
        "custom_id": "mine",
        "response": {"status_code": 200, "request_id": request_id, "body": {"x": 1}},
        "error": None,
    }
    left = orjson.loads(lines.unanswered("batch-1", item, "batch_expired", "too late"))
    assert (left["response"], left["error"]) == (None, {"code": "batch_expired", "message": "too late"})
