"""Which recorded chats a filter of a dataset chooses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from handlers.core.datasets.filters import Condition, check, matches
from handlers.core.errors import Invalid
from storage.chat_record import StoredChat

CHAT = StoredChat(
    key="k",
    project_id="p",
    id="chatcmpl-1",
    created_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    model="openai/gpt-5.5",
    provider="openai",
    container_id="c",
    container="support",
    cost_micros=1_500_000,
    metadata={"user": "u1", "n": 3, "deep": {"x": [1, "two"]}, "flag": True, "nothing": None},
    tags=["a", "b"],
    trace=None,
    request=b'{"messages": []}',
    answer=orjson.dumps({"choices": [{"finish_reason": "stop"}], "usage": {"total_tokens": 12}}),
)


@pytest.mark.parametrize(
    ("key", "operator", "value", "wanted"),
    [
        ("model_name", "equals", "openai/gpt-5.5", True),
        ("model_name", "equals", "gpt", False),
        ("model_name", "not_equals", "gpt", True),
        ("model_name", "contains", "gpt", True),
        ("model_name", "not_contains", "gpt", False),
        ("status", "in", ["completed", "pending"], True),
        ("status", "not_in", ["pending"], True),
        ("finish_reason", "equals", "stop", True),
        ("total_tokens", "greater_than", 11.5, True),
        ("total_tokens", "greater_than", 12, False),
        ("total_tokens", "greater_than_or_equal", 12, True),
        ("total_tokens", "less_than", 13, True),
        ("total_tokens", "less_than_or_equal", 11, False),
        ("total_tokens", "between", [12, 12], True),
        ("total_tokens", "between", [13, 20], False),
        ("total_tokens", "greater_than", "1", False),
        ("cost", "between", [1, 2], True),
        ("created_at", "greater_than", "2026-03-01T11:00:00Z", True),
        ("created_at", "less_than", "2026-03-01", False),
        ("created_at", "equals", "2026-03-01T12:00:00+00:00", True),
        ("created_at", "less_than", "soon", False),
        ("created_at", "greater_than", 0, True),
        ("tags", "contains", "a", True),
        ("tags", "contains", "c", False),
        ("tags", "not_contains", "c", True),
        ("user", "equals", "u1", True),
        ("metadata.user", "equals", "u1", True),
        ("metadata.deep.x", "contains", "two", True),
        ("metadata", "contains", "user", True),
        ("n", "equals", True, False),
        ("flag", "equals", 1, False),
        ("flag", "exists", None, True),
        ("nothing", "exists", None, False),
        ("nothing", "equals", None, True),
        ("unknown", "exists", None, False),
        ("unknown", "not_exists", None, True),
        ("unknown", "equals", None, False),
        ("unknown", "not_equals", "x", True),
        ("unknown", "not_in", ["x"], True),
        ("unknown", "less_than", 5, False),
    ],
)
def test_each_operator(key: str, operator: str, value: Any, wanted: bool) -> None:
    condition = Condition(key, operator, value)
    check([condition])
    assert matches(CHAT, [condition]) is wanted


def test_all_conditions_must_hold() -> None:
    true, false = Condition("n", "equals", 3), Condition("n", "equals", 4)
    assert matches(CHAT, [])
    assert matches(CHAT, [true, true])
    assert not matches(CHAT, [true, false])


@pytest.mark.parametrize(
    ("operator", "value"), [("in", "x"), ("not_in", None), ("between", [1]), ("contains", None), ("less_than", None)]
)
def test_a_value_that_does_not_go_with_its_operator(operator: str, value: Any) -> None:
    with pytest.raises(Invalid, match=r"filters\[0\]\.value"):
        check([Condition("n", operator, value)])
