"""What to look at, by rules. Their limits are here and in docs/coding-optimization.md, and nowhere else.

A rule speaks only of as many requests, or reads, as its limit says: of fewer, a ratio tells nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from handlers.core.coding.tally import Group, Tally, ratio

FEW_REQUESTS = 20
FEW_APPLIES = 5
FEW_READS = 20
LOW_CACHED_RATIO = 0.2
LOW_FILE_HIT_RATIO = 0.3
LOW_APPLY_RATIO = 0.8
LOST_APPLY_RATIO = 0.5
SLOWER = 1.5
LARGE_CONTEXT_BYTES = 65_536
STALE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Advice:
    """An alert tells what is wrong, and the recommendation that goes with it what to do."""

    code: str
    severity: Literal["info", "warning", "critical"]
    area: str
    title: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """Speaks when `holds` of the window and the one before it."""

    advice: Advice
    holds: Callable[[Tally, Tally], bool]


def advise(now: Tally, before: Tally) -> list[Advice]:
    """The gravest first."""
    order = ("critical", "warning", "info")
    found = [rule.advice for rule in _RULES if rule.holds(now, before)]
    return sorted(found, key=lambda advice: order.index(advice.severity))


def _enough(group: Group) -> bool:
    return group.coding >= FEW_REQUESTS


def _low_cached(now: Tally, _: Tally) -> bool:
    return _enough(now.total) and now.total.input_tokens > 0 and now.total.cached_ratio < LOW_CACHED_RATIO


def _cache_off(now: Tally, _: Tally) -> bool:
    return _enough(now.total) and now.total.cache_off > now.total.cache_auto


def _no_cache_keys(now: Tally, before: Tally) -> bool:
    return _low_cached(now, before) and now.total.cache_keyed == 0 and now.total.cache_auto > 0


def _low_file_hits(now: Tally, _: Tally) -> bool:
    reads = now.total.file_hits + now.total.file_misses
    return reads >= FEW_READS and now.total.file_hit_ratio < LOW_FILE_HIT_RATIO


def _failing_applies(now: Tally, _: Tally) -> bool:
    low = LOST_APPLY_RATIO <= now.total.apply_ratio < LOW_APPLY_RATIO
    return now.total.applies >= FEW_APPLIES and low


def _lost_applies(now: Tally, _: Tally) -> bool:
    return now.total.applies >= FEW_APPLIES and now.total.apply_ratio < LOST_APPLY_RATIO


def _slower(now: Tally, before: Tally) -> bool:
    if not (_enough(now.total) and _enough(before.total)):
        return False
    return (now.total.latency_ms or 0) > SLOWER * (before.total.latency_ms or float("inf"))


def _large_context(now: Tally, _: Tally) -> bool:
    retrievals = now.total.retrievals
    return retrievals >= FEW_REQUESTS and now.total.retrieved_bytes / retrievals > LARGE_CONTEXT_BYTES


def _stale_index(now: Tally, _: Tally) -> bool:
    stale = now.index_total("semantic_index_stale_file_count")
    return ratio(stale, now.index_total("semantic_index_indexed_file_count")) > STALE_SHARE


_RULES = (
    _Rule(
        Advice(
            "apply_failing_mostly", "critical", "apply", "Most edits are not applied",
            f"Fewer than {LOST_APPLY_RATIO:.0%} of the apply requests succeeded.",
            "Look at apply_failure_class_counts, and take another apply model until the main class is gone.",
        ),
        _lost_applies,
    ),
    _Rule(
        Advice(
            "apply_failing", "warning", "apply", "Edits are often not applied",
            f"Fewer than {LOW_APPLY_RATIO:.0%} of the apply requests succeeded.",
            "Look at apply_failure_class_counts for the class that fails most.",
        ),
        _failing_applies,
    ),
    _Rule(
        Advice(
            "low_prompt_cache_ratio", "warning", "prompt_cache", "Prompts are hardly cached",
            f"Vendors had kept fewer than {LOW_CACHED_RATIO:.0%} of the prompt tokens.",
            "Keep the beginning of prompts unchanged from turn to turn: instructions and tools first, news last.",
        ),
        _low_cached,
    ),
    _Rule(
        Advice(
            "prompt_cache_mostly_off", "info", "prompt_cache", "Prompt caching is turned off",
            "More requests carry prompt_cache_policy off than auto.",
            "Leave prompt_cache_policy at auto where prompts share a beginning.",
        ),
        _cache_off,
    ),
    _Rule(
        Advice(
            "no_prompt_cache_keys", "info", "prompt_cache", "No prompt cache keys",
            "Prompts are hardly cached, and no request carries a prompt_cache_key.",
            "Send one prompt_cache_key a session, so that its turns meet the same cache.",
        ),
        _no_cache_keys,
    ),
    _Rule(
        Advice(
            "low_read_file_cache_ratio", "warning", "read_file", "Files are read again and again",
            f"Fewer than {LOW_FILE_HIT_RATIO:.0%} of the file reads were answered from the session's cache.",
            "Let sessions live longer, or send markers for unchanged files in place of their text.",
        ),
        _low_file_hits,
    ),
    _Rule(
        Advice(
            "slower_than_before", "warning", "latency", "Answers have become slower",
            f"Requests take more than {SLOWER} times as long as in the window before.",
            "Compare by_provider with the window before, and route around the provider that slowed down.",
        ),
        _slower,
    ),
    _Rule(
        Advice(
            "large_retrieval_context", "info", "retrieval", "Retrieved context is large",
            f"A retrieval adds more than {LARGE_CONTEXT_BYTES} bytes to its prompt on average.",
            "Retrieve fewer chunks, or shorter ones.",
        ),
        _large_context,
    ),
    _Rule(
        Advice(
            "stale_semantic_index", "warning", "retrieval", "The semantic index is stale",
            f"More than {STALE_SHARE:.0%} of the indexed files have changed since they were indexed.",
            "Refresh the index before the next session.",
        ),
        _stale_index,
    ),
)  # fmt: skip
