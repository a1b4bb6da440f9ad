"""What is believed of what vendors tell. A vendor may be anybody's server."""

from __future__ import annotations

from typing import Any

from providers.inference.interface import Usage

MOST_TOKENS = 2**31
LONGEST_ID = 256


def believed(told: Usage) -> Usage | None:
    """None for counts that cannot be, so that they are made here: less than nothing would give back what a project has
    used up, and more cached tokens than there are would cost less than nothing."""
    plausible = (
        0 <= told.cached_tokens <= told.prompt_tokens <= MOST_TOKENS
        and 0 <= told.completion_tokens <= MOST_TOKENS
        and 0 <= told.cache_write_tokens <= MOST_TOKENS
        and 0 <= told.reasoning_tokens <= MOST_TOKENS
    )
    return told if plausible else None


def count(counts: Any, name: str) -> int:
    """Of parsed JSON; 0 where there is none."""
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) else 0


def is_id(value: Any) -> bool:
    """Whether it can be stored and shown: databases do not keep every character, nor any length."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()
