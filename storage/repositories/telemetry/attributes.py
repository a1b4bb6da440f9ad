"""Conditions on the attributes of spans, as SQL: on rows of logged attributes, and on columns of requests."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Literal, NamedTuple

import orjson
from sqlalchemy import BigInteger, ColumnElement, FromClause, and_, false, select, true, type_coerce
from sqlalchemy.sql.expression import Select

from storage.tables.telemetry import TelemetryAttributeRow, TelemetrySpanRow
from storage.tables.types import core

ATTRIBUTES = core(TelemetryAttributeRow)
SPANS = core(TelemetrySpanRow)

Op = Literal["eq", "ne", "gt", "lt"]
COMPARE: dict[Op, Callable[[Any, Any], ColumnElement[bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "lt": operator.lt,
}
TEXT, OTHER = b"s:", b"j:"
LARGEST = 2**63 - 1
LONGEST_VALUE_BYTES = 400
"""A longer value is found by its beginning and a hash: equal is exact, and the order as good as the beginning tells."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`value` is a JSON value; nothing is greater or less than one of another kind. None with `eq` is an attribute
    that is not there, with `ne` one that is."""

    key: str
    op: Op
    value: Any


class Stored(NamedTuple):
    """An attribute as it is found by: bytes that sort as the text does, or a number."""

    value: bytes | None
    number: float | None


def stored(value: Any) -> Stored:
    """Of any JSON value but None."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Stored(None, float(value))
    if isinstance(value, str):
        written = TEXT + value.encode()
    else:
        written = OTHER + orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    if len(written) > LONGEST_VALUE_BYTES:
        digest = hashlib.sha256(written).digest()
        written = written[: LONGEST_VALUE_BYTES - len(digest)] + digest
    return Stored(written, None)


def matching(project_id: str, leading: Condition, conditions: Sequence[Condition]) -> Select[Any]:
    """The trace ids of logged spans that meet `leading`, one of `candidates`, and the other conditions; quick when few
    meet `leading`."""
    found = ATTRIBUTES.alias()
    mine = (found.c.project_id == project_id, found.c.key == leading.key)
    return select(found.c.trace_id).where(*mine, _holds(found, leading), *_all(found, conditions))


def candidates(conditions: Sequence[Condition]) -> list[Condition]:
    """Those that may lead: an index finds what is there, not what is absent."""
    return [condition for condition in conditions if not _is_absence(condition)]


def any_in(trace: FromClause, conditions: Sequence[Condition]) -> ColumnElement[bool]:
    """Whether a span of the trace (a row with `project_id` and `trace_id`) meets all conditions."""
    spans = SPANS.alias()
    mine = (spans.c.project_id == trace.c.project_id, spans.c.trace_id == trace.c.trace_id)
    return select(spans.c.span_id).where(*mine, *_all(spans, conditions)).correlate(trace).exists()


def _is_absence(condition: Condition) -> bool:
    return condition.value is None and condition.op == "eq"


def _all(span: FromClause, conditions: Sequence[Condition]) -> list[ColumnElement[bool]]:
    """Of the span that a row of spans, or one of its attributes, stands for."""
    clauses = []
    for condition in conditions:
        other = ATTRIBUTES.alias()
        same = and_(*(other.c[name] == span.c[name] for name in ("project_id", "trace_id", "span_id")))
        absent = _is_absence(condition)
        holds = true() if absent else _holds(other, condition)
        there = select(other.c.key).where(same, other.c.key == condition.key, holds).correlate(span).exists()
        clauses.append(~there if absent else there)
    return clauses


def _holds(row: FromClause, condition: Condition) -> ColumnElement[bool]:
    """For a row of the condition's key."""
    if condition.value is None:
        return true() if condition.op == "ne" else false()
    wanted = stored(condition.value)
    compare = COMPARE[condition.op]
    if wanted.value is None:
        holds = compare(row.c.number, wanted.number)
        return holds | row.c.number.is_(None) if condition.op == "ne" else holds
    holds = compare(row.c.value, wanted.value)
    if condition.op == "ne":
        return holds | row.c.value.is_(None)
    if condition.op == "eq":
        return holds
    kind = wanted.value[:2]
    return holds & (row.c.value >= kind) & (row.c.value < kind[:1] + b";")


def column_holds(column: ColumnElement[Any], kind: type, condition: Condition) -> ColumnElement[bool]:
    """For an attribute that is a column of `kind` (`str`, `int` or `bool`)."""
    value, op = condition.value, condition.op
    if value is None:
        return {"eq": column.is_(None), "ne": column.is_not(None)}.get(op, false())
    never = column.is_not(None) if op == "ne" else false()
    if isinstance(value, bool) or kind is bool:
        if not isinstance(value, bool) or kind is not bool or op in ("gt", "lt"):
            return never
        return column.is_(value is (op == "eq"))
    if kind is int and isinstance(value, int | float):
        return _number_holds(type_coerce(column, BigInteger), op, value)
    if kind is not str or not isinstance(value, str) or "\0" in value:
        return never
    return COMPARE[op](column, value)


def _number_holds(column: ColumnElement[int], op: Op, value: float) -> ColumnElement[bool]:
    """A whole number is greater than another when it is greater than its floor."""
    if op in ("eq", "ne") and value != int(value):
        return column.is_not(None) if op == "ne" else false()
    whole = ceil(value) if op == "lt" else floor(value)
    return COMPARE[op](column, max(-LARGEST, min(LARGEST, whole)))
