"""What is believed of what vendors tell. A vendor may be anybody's server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.inference.interface import Usage

MOST_TOKENS = 2**31
LONGEST_ID = 256


def believed(told: Usage) -> Usage | None:
    """None for counts that cannot be, so that they are made here: less than nothing would give back what a project has
    used up, and more cached tokens than there are would cost less than nothing."""
    counts = (
        told.prompt_tokens,
        told.completion_tokens,
        told.cached_tokens,
        told.cache_write_tokens,
        told.reasoning_tokens,
    )
    if not all(0 <= number <= MOST_TOKENS for number in counts) or told.cached_tokens > told.prompt_tokens:
        return None
    return told


def count(counts: Mapping[str, Any] | Any, name: str) -> int:
    """0 where there is none."""
    value = counts.get(name) if isinstance(counts, Mapping) else None
    return value if isinstance(value, int) else 0


def is_id(value: Any) -> bool:
    """Whether it can be stored and shown: databases do not keep every character, nor any length."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()
