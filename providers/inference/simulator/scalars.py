"""Strings and numbers within a schema's bounds."""

from __future__ import annotations

import base64
import math
import random
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

import jsonschema_rs

from providers.inference.simulator.budget import Budget, Unsatisfiable
from providers.inference.simulator.pattern import Pattern

SPAN = 100
LARGEST_WHOLE = 2**53
"""Beyond it, readers of JSON differ in what they make of a whole number."""
QUARTER = Fraction(1, 4)
PADDING = "simulated text that fills up the length its schema demands "


def make_string(schema: Mapping[str, Any], name: str, rng: random.Random, budget: Budget) -> str:
    least, most = length(schema, "minLength"), length(schema, "maxLength") if "maxLength" in schema else None
    if most is not None and most < least:
        raise Unsatisfiable("minLength is above maxLength")
    budget.spend(least)
    if "pattern" in schema:
        return _fitting(Pattern(schema["pattern"], rng), (least, most), budget)
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]](rng)
    if schema.get("contentEncoding") == "base64":
        return base64.b64encode(f"simulated {name}".encode()).decode()
    text = f"simulated {name} {rng.getrandbits(16):04x}"
    if len(text) < least:
        text = (text + " " + PADDING * (least // len(PADDING) + 1))[:least]
    return text if most is None else text[:most]


def make_number(schema: Mapping[str, Any], kind: str, rng: random.Random) -> int | float:
    """A multiple of `multipleOf`, near the bound where there is only one."""
    whole = kind == "integer"
    step = Fraction(str(schema["multipleOf"])) if "multipleOf" in schema else QUARTER
    if step <= 0:
        raise Unsatisfiable("multipleOf is not above 0")
    if whole:
        step = Fraction(step.numerator)  # the whole multiples of a/b in lowest terms are those of a
    low, high = _bounds(schema)
    if low is None:
        low = Fraction(0) if high is None else high - SPAN * step
    if high is None:
        high = low + SPAN * step
    first, last = _above(low, step, schema), _below(high, step, schema)
    if first > last:
        return _between(low, high) if not whole and "multipleOf" not in schema else _nothing()
    number = rng.randint(first, last) * step
    if number.denominator == 1 and abs(number) < LARGEST_WHOLE:
        return int(number)
    try:
        return float(number)
    except OverflowError:
        raise Unsatisfiable("its numbers are too large") from None


def length(schema: Mapping[str, Any], keyword: str) -> int:
    """A bound on a length, 0 where there is none; JSON may write it as 3.0 or 1e30."""
    return int(schema.get(keyword, 0))


def matches(pattern: str, text: str) -> bool:
    """As the validator has it, whose engine takes no exponential time over a hostile pattern, as Python's does."""
    try:
        return bool(_judge(pattern).is_valid(text))
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _judge(pattern: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"pattern": pattern})


def _bounds(schema: Mapping[str, Any]) -> tuple[Fraction | None, Fraction | None]:
    lows = [Fraction(str(schema[key])) for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [Fraction(str(schema[key])) for key in ("maximum", "exclusiveMaximum") if key in schema]
    return max(lows, default=None), min(highs, default=None)


def _above(low: Fraction, step: Fraction, schema: Mapping[str, Any]) -> int:
    first = math.ceil(low / step)
    return (
        first + 1
        if "exclusiveMinimum" in schema and first * step <= Fraction(str(schema["exclusiveMinimum"]))
        else first
    )


def _below(high: Fraction, step: Fraction, schema: Mapping[str, Any]) -> int:
    last = math.floor(high / step)
    return (
        last - 1 if "exclusiveMaximum" in schema and last * step >= Fraction(str(schema["exclusiveMaximum"])) else last
    )


def _between(low: Fraction, high: Fraction) -> float:
    return float((low + high) / 2) if low <= high else _nothing()


def _nothing() -> Any:
    raise Unsatisfiable("no number is within the bounds")


def _fitting(pattern: Pattern, lengths: tuple[int, int | None], budget: Budget) -> str:
    """Lets the pattern's repetitions grow until the text is long enough."""
    least, most = lengths
    for extra in (0, 1, 2, 4, least):
        text = pattern.make(extra, budget)
        if len(text) > least and most is None:
            return text
        if len(text) >= least and (most is None or len(text) <= most):
            return text
    raise Unsatisfiable("pattern and length exclude each other")


def _moment(rng: random.Random) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(365 * 86400))


def _hex(rng: random.Random) -> str:
    return f"{rng.getrandbits(16):04x}"


_FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date-time": lambda rng: _moment(rng).isoformat().replace("+00:00", "Z"),
    "date": lambda rng: _moment(rng).date().isoformat(),
    "time": lambda rng: _moment(rng).time().isoformat() + "Z",
    "duration": lambda rng: f"PT{rng.randint(1, 59)}M",
    "email": lambda rng: f"simulated-{_hex(rng)}@example.com",
    "idn-email": lambda rng: f"simulated-{_hex(rng)}@example.com",
    "hostname": lambda rng: f"simulated-{_hex(rng)}.example.com",
    "idn-hostname": lambda rng: f"simulated-{_hex(rng)}.example.com",
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 0xFFFF):x}",
    "uri": lambda rng: f"https://example.com/simulated/{_hex(rng)}",
    "uri-reference": lambda rng: f"/simulated/{_hex(rng)}",
    "iri": lambda rng: f"https://example.com/simulated/{_hex(rng)}",
    "iri-reference": lambda rng: f"/simulated/{_hex(rng)}",
    "uri-template": lambda rng: f"https://example.com/simulated/{{id}}/{_hex(rng)}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "json-pointer": lambda rng: f"/simulated/{_hex(rng)}",
    "relative-json-pointer": lambda rng: f"0/simulated/{_hex(rng)}",
    "regex": lambda rng: f"^simulated-{_hex(rng)}$",
    "byte": lambda rng: base64.b64encode(rng.randbytes(6)).decode(),
}
