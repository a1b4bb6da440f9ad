from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import orjson

from handlers.core.call import Call
from handlers.core.errors import Invalid
from storage.repositories.telemetry import TOKENS, Series, TooManyPoints, Window
from storage.tables.types import instant

__all__ = ["Series"]

MOST_POINTS = 11_000
"""Of all series of an answer, and steps of time in a range."""
LATEST = 253_402_300_799
"""The last second of the year 9999."""
GRANULARITY = re.compile(r"([1-9][0-9]{0,5})([smhdw])\Z")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST_PATTERN = 512

Operator = Literal["=", "!=", "=~", "!~"]
Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Matcher:
    """Of a label by its value; a label that is not there is empty. A pattern is in the syntax of Rust's `regex`, which
    takes time in proportion to the text, and must match all of it."""

    name: str
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """Unix seconds, from `start` up to and without `end` (None is now). A `range` has a sum for each step of
    `granularity` (`5m`, `1h`, `1d`), an `instant` one sum of it all, at its end."""

    name: str
    start: int
    end: int | None
    kind: Literal["range", "instant"]
    granularity: str | None = None
    matchers: Sequence[Matcher] = ()


async def query_metric(query: MetricQuery, call: Call) -> Sequence[Series]:
    """A series for each set of labels and unit, the client's own points and the server's together; none where there is
    no such metric. Raises `Invalid`."""
    tests = [(matcher.name, _test(matcher)) for matcher in query.matchers]
    window = _window(query, call)
    points, project_id = call.services.telemetry.points, call.caller.project_id
    try:
        found = await points.logged(project_id, query.name, window, instant(call.services.clock()), MOST_POINTS)
        if query.name in TOKENS:
            found += await points.of_requests(project_id, query.name, window, MOST_POINTS)
    except TooManyPoints:
        raise Invalid(f"this would answer more than {MOST_POINTS} points: ask for less at once") from None
    matching = [one for one in found if all(test(label(one.labels.get(name))) for name, test in tests)]
    return [_at_end(one, window) if query.kind == "instant" else one for one in _merge(matching)]


def label(value: Any) -> str:
    """A label's value as text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _window(query: MetricQuery, call: Call) -> Window:
    end = ceil(call.services.clock()) if query.end is None else query.end
    if not (0 <= query.start <= LATEST and 0 <= end <= LATEST):
        raise Invalid("start_time and end_time are seconds since 1970", param="start_time")
    if query.end is not None and end < query.start:
        raise Invalid("end_time must not be before start_time", param="end_time")
    if query.kind == "instant":
        return Window(query.start, end)
    step_seconds = _step(query.granularity or "1d")
    if (end - query.start) / step_seconds > MOST_POINTS:
        raise Invalid(f"a range may have at most {MOST_POINTS} steps", param="granularity")
    return Window(query.start, end, step_seconds)


def _step(granularity: str) -> int:
    found = GRANULARITY.match(granularity)
    if found is None:
        raise Invalid("granularity must be a number and one of s, m, h, d, w, as in 5m", param="granularity")
    return int(found[1]) * SECONDS[found[2]]


def _test(matcher: Matcher) -> Test:
    """Raises `Invalid` for what is no pattern."""
    wanted = matcher.value
    if matcher.operator == "=":
        return lambda value: value == wanted
    if matcher.operator == "!=":
        return lambda value: value != wanted
    matches = _pattern(wanted)
    return matches if matcher.operator == "=~" else lambda value: not matches(value)


def _pattern(pattern: str) -> Test:
    from pydantic_core import SchemaError, SchemaValidator, core_schema

    if len(pattern) > LONGEST_PATTERN:
        raise Invalid(f"a pattern may have {LONGEST_PATTERN} characters", param="label_matchers")
    try:
        for text in (pattern, rf"\A(?:{pattern})\z"):  # alone, too, or `a)|(b` would escape
            validator = SchemaValidator(core_schema.str_schema(pattern=text, regex_engine="rust-regex"))
        return validator.isinstance_python
    except SchemaError:
        message = f"{pattern!r} is no regular expression that can be matched in linear time"
        raise Invalid(message, param="label_matchers") from None


def _merge(found: Sequence[Series]) -> list[Series]:
    """One series where a client's own and the server's have the same labels and unit."""
    merged: dict[tuple[bytes, str], Series] = {}
    for one in found:
        labels: Mapping[str, Any] = {name: label(value) for name, value in one.labels.items()}
        key = (orjson.dumps(labels, option=orjson.OPT_SORT_KEYS), one.unit)
        known = merged[key].sums if key in merged else {}
        sums = {at: known.get(at, 0) + one.sums.get(at, 0) for at in sorted({*known, *one.sums})}
        merged[key] = Series(labels, one.unit, sums)
    return list(merged.values())


def _at_end(one: Series, window: Window) -> Series:
    return Series(one.labels, one.unit, {window.end: sum(one.sums.values())})
