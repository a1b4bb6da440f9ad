"""Strings and numbers that look like what they are called."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from server.mock.conjunction import Impossible
from server.mock.patterns import write_text

WORDS = (
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper", "lagoon", "meadow",
    "north", "ocean", "prairie", "quartz", "river", "summit", "tundra", "valley", "willow",
)  # fmt: skip
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
YEAR_SECONDS = 31_536_000
SPAN = 100


def _moment(dice: Random) -> datetime:
    return EPOCH + timedelta(seconds=dice.randrange(YEAR_SECONDS))


FORMATS: Mapping[str, Callable[[Random], str]] = {
    "date-time": lambda dice: _moment(dice).isoformat().replace("+00:00", "Z"),
    "date": lambda dice: _moment(dice).date().isoformat(),
    "time": lambda dice: _moment(dice).strftime("%H:%M:%SZ"),
    "duration": lambda dice: f"PT{dice.randint(1, 59)}M",
    "uuid": lambda dice: str(UUID(int=dice.getrandbits(128), version=4)),
    "email": lambda dice: f"{dice.choice(WORDS)}@example.com",
    "idn-email": lambda dice: f"{dice.choice(WORDS)}@example.com",
    "hostname": lambda dice: f"{dice.choice(WORDS)}.example.com",
    "idn-hostname": lambda dice: f"{dice.choice(WORDS)}.example.com",
    "ipv4": lambda dice: f"192.0.2.{dice.randint(1, 254)}",
    "ipv6": lambda dice: f"2001:db8::{dice.randint(1, 0xFFFF):x}",
    "uri": lambda dice: f"https://example.com/{dice.choice(WORDS)}",
    "iri": lambda dice: f"https://example.com/{dice.choice(WORDS)}",
    "uri-reference": lambda dice: f"/{dice.choice(WORDS)}",
    "iri-reference": lambda dice: f"/{dice.choice(WORDS)}",
    "uri-template": lambda dice: f"/{dice.choice(WORDS)}/{{id}}",
    "json-pointer": lambda dice: f"/{dice.choice(WORDS)}",
    "relative-json-pointer": lambda dice: f"{dice.randint(0, 3)}/{dice.choice(WORDS)}",
    "regex": lambda dice: f"^{dice.choice(WORDS)}$",
    "byte": lambda dice: base64.b64encode(dice.choice(WORDS).encode()).decode(),
}
"""As RFC 3339, 4122, 5321, 3986 and 6901 have them; addresses are those kept for documentation."""


def make_string(schema: Mapping[str, Any], name: str, dice: Random) -> str:
    """`name` is the property's, if it has one. Raises `Impossible`."""
    low, high = int(schema.get("minLength", 0)), int(schema.get("maxLength", 1_000_000))
    if "pattern" in schema:
        return write_text(schema["pattern"], dice, low)
    make = FORMATS.get(schema.get("format", ""))
    text = make(dice) if make is not None else _speak(name.lower(), dice)
    while len(text) < low:
        text += dice.choice(WORDS) if low - len(text) > 8 else "x" * (low - len(text))
    return text[:high]


def _speak(name: str, dice: Random) -> str:
    if name == "id" or name.endswith(("_id", "-id")):
        return f"{name.removesuffix('id').strip('_-') or 'id'}_{dice.getrandbits(48):012x}"
    if name.endswith(("url", "uri")):
        return FORMATS["uri"](dice)
    if name.endswith("_at"):
        return FORMATS["date-time"](dice)
    return f"{dice.choice(WORDS)} {dice.choice(WORDS)}"


def make_number(schema: Mapping[str, Any], name: str, dice: Random, *, whole: bool) -> int | float:
    """Raises `Impossible`."""
    low, high = _bounds(schema, name)
    if not whole and "multipleOf" not in schema:
        if low > high:
            raise Impossible(f"no number is between {low} and {high}")
        return round(low + (high - low) * dice.randint(1, 9999) / 10_000, 9) if high > low else low
    step: int | float = schema.get("multipleOf", 1)
    if whole:
        step = int(step) if float(step).is_integer() else int(_whole_step(step))
    first, last = _lowest(schema, low, step), _highest(schema, high, step)
    if first > last:
        raise Impossible(f"no number is between {low} and {high}")
    return dice.randint(first, last) * step


def _whole_step(step: float) -> float:
    """The least multiple of a fraction that is an integer."""
    return next((times * step for times in range(1, 10_001) if float(times * step).is_integer()), 1)


def _bounds(schema: Mapping[str, Any], name: str) -> tuple[float, float]:
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    if not lows and not highs and name.endswith(("_at", "created", "timestamp")):
        return EPOCH.timestamp(), EPOCH.timestamp() + YEAR_SECONDS
    low = max(lows) if lows else min(0, *(high - SPAN for high in highs)) if highs else 0
    high = min(highs) if highs else max(low, 0) + max(SPAN, 2 * abs(schema.get("multipleOf", 0)))
    return low, high


def _lowest(schema: Mapping[str, Any], low: float, step: float) -> int:
    count = math.ceil(round(low / step, 9))
    return count + 1 if count * step <= schema.get("exclusiveMinimum", -math.inf) else count


def _highest(schema: Mapping[str, Any], high: float, step: float) -> int:
    count = math.floor(round(high / step, 9))
    return count - 1 if count * step >= schema.get("exclusiveMaximum", math.inf) else count
