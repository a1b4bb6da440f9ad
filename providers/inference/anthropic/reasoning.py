"""How much a Claude model is to think: newer models choose by themselves within an effort, older ones get a budget."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from providers.errors import Refused

SMALLEST_BUDGET = 1024
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 65_536}
EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
ADAPTIVE_SINCE = (4, 6)

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2})(?!\d))?")


def reasoning_of(model: str, options: Mapping[str, Any], max_tokens: Any) -> dict[str, Any]:
    """`thinking` and `output_config` for `reasoning_effort` or `reasoning: {"effort" | "max_tokens" | "enabled"}`."""
    asked = options.get("reasoning") or {}
    if not isinstance(asked, dict):
        raise Refused("reasoning must be an object", param="reasoning")
    effort = options.get("reasoning_effort", asked.get("effort"))
    budget = asked.get("max_tokens")
    if effort == "none" or asked.get("enabled") is False:
        return {}
    if effort is None and budget is None:
        if not asked.get("enabled"):
            return {}
        effort = "medium"
    if effort is not None and effort not in EFFORTS:
        raise Refused(f"reasoning_effort {effort!r} is not known", param="reasoning_effort")
    if budget is None and is_adaptive(model):
        thinking = {"type": "adaptive", "display": "summarized"}
        return {"thinking": thinking, "output_config": {"effort": EFFORTS[effort]}}
    return {"thinking": {"type": "enabled", "budget_tokens": budget or _budget(effort, max_tokens)}}


def is_adaptive(model: str) -> bool:
    """By the version in the model's name; a name without one is taken for new."""
    version = _VERSION.search(model)
    return version is None or (int(version[1]), int(version[2] or 0)) >= ADAPTIVE_SINCE


def _budget(effort: Any, max_tokens: Any) -> int:
    """Thinking is part of `max_tokens`, and something must be left for the answer."""
    budget = BUDGETS[effort]
    if not isinstance(max_tokens, int):
        return budget
    if max_tokens <= SMALLEST_BUDGET:
        raise Refused(f"to reason, this model needs more than {SMALLEST_BUDGET} tokens", param="max_tokens")
    return min(budget, max(SMALLEST_BUDGET, max_tokens // 2))
