"""Which recorded chats go into a dataset.

A key names a property of the chat (`model_name`, `status`, `finish_reason`, ...), else a member of its metadata, with
or without `metadata.` before it; dots lead on inside. What a chat does not have equals nothing and is in no list.

Source: maniac.json: DatasetFilter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handlers.core.completions import StoredChat, answer_of
from handlers.core.errors import Invalid

_MISSING: Any = object()
_VALUELESS = frozenset({"exists", "not_exists"})
_LISTS = frozenset({"in", "not_in", "between"})
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "greater_than": operator.gt,
    "less_than": operator.lt,
    "greater_than_or_equal": operator.ge,
    "less_than_or_equal": operator.le,
}


@dataclass(frozen=True, slots=True)
class Condition:
    key: str
    operator: str
    value: Any = None


def check(conditions: Sequence[Condition]) -> None:
    """Raises `Invalid`."""
    for number, condition in enumerate(conditions):
        where, value = f"filters[{number}].value", condition.value
        if condition.operator in _VALUELESS:
            continue
        if condition.operator in _LISTS and not isinstance(value, list):
            raise Invalid(f"{where} must be a list", param=where)
        if condition.operator == "between" and len(value) != 2:
            raise Invalid(f"{where} must hold the lowest and the highest value", param=where)
        if value is None and condition.operator not in ("equals", "not_equals"):
            raise Invalid(f"{where} is needed", param=where)


def matches(chat: StoredChat, conditions: Sequence[Condition]) -> bool:
    return all(_holds(_find(chat, one.key), one) for one in conditions)


def _holds(found: Any, one: Condition) -> bool:
    name, value = one.operator, one.value
    if name in _VALUELESS:
        return (found is not _MISSING and found is not None) == (name == "exists")
    if name.startswith("not_"):
        return not _holds(found, Condition(one.key, name.removeprefix("not_"), value))
    if found is _MISSING:
        return False
    if name == "equals":
        return _equal(found, value)
    if name == "in":
        return any(_equal(found, each) for each in value)
    if name == "contains":
        return _contains(found, value)
    if name == "between":
        return _compare(operator.ge, found, value[0]) and _compare(operator.le, found, value[1])
    return _compare(_ORDERS[name], found, value)


def _equal(found: Any, value: Any) -> bool:
    if isinstance(found, datetime):
        return _compare(operator.eq, found, value)
    return bool(found == value) and isinstance(found, bool) == isinstance(value, bool)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return isinstance(value, str) and value in found
    if isinstance(found, dict):
        return isinstance(value, str) and value in found
    return isinstance(found, list) and any(_equal(each, value) for each in found)


def _compare(order: Callable[[Any, Any], bool], found: Any, value: Any) -> bool:
    """Numbers with numbers, texts with texts, times with what says a time; anything else is in no order."""
    if isinstance(found, datetime):
        value = _time(value)
        return value is not None and order(found, value)
    if _is_number(found) and _is_number(value):
        return order(found, value)
    return isinstance(found, str) and isinstance(value, str) and order(found, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(value: Any) -> datetime | None:
    """ISO 8601, or unix seconds."""
    try:
        if _is_number(value):
            return datetime.fromtimestamp(value, UTC)
        said = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return said.replace(tzinfo=UTC) if said is not None and said.tzinfo is None else said


def _find(chat: StoredChat, key: str) -> Any:
    known = _PROPERTIES.get(key)
    if known is not None:
        return known(chat)
    found: Any = chat.metadata or {}
    for part in key.removeprefix("metadata.").split("."):
        if not isinstance(found, dict) or part not in found:
            return _MISSING
        found = found[part]
    return found


def _usage(name: str) -> Callable[[StoredChat], Any]:
    return lambda chat: (answer_of(chat).get("usage") or {}).get(name, _MISSING)


def _finish_reason(chat: StoredChat) -> Any:
    choices = answer_of(chat).get("choices") or []
    return choices[0].get("finish_reason") if choices else _MISSING


_PROPERTIES: Mapping[str, Callable[[StoredChat], Any]] = {
    "id": lambda chat: chat.id,
    "model": lambda chat: chat.model,
    "model_name": lambda chat: chat.model,
    "provider": lambda chat: chat.provider,
    "container": lambda chat: chat.container,
    "created_at": lambda chat: chat.created_at,
    "status": lambda chat: "completed" if answer_of(chat).get("choices") else "pending",
    "cost": lambda chat: chat.cost_micros / 1_000_000,
    "spend": lambda chat: chat.cost_micros / 1_000_000,
    "tags": lambda chat: chat.tags or [],
    "metadata": lambda chat: chat.metadata or {},
    "finish_reason": _finish_reason,
    "prompt_tokens": _usage("prompt_tokens"),
    "completion_tokens": _usage("completion_tokens"),
    "total_tokens": _usage("total_tokens"),
}
"""A chat that was brought without an answer is pending."""
