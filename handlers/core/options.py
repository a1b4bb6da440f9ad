"""OpenAI's parameters are what they should be, also where a document leaves their type open.

Names that are nobody's are not looked at: they are passed on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from handlers.core.errors import Invalid


class Rule(NamedTuple):
    holds: Callable[[Any], bool]
    said: str


LARGEST = 2**63 - 1
"""More can be neither written down nor sent: `1e300` is whole, too."""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _is_list_of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(item, kind) for item in value)


_POSITIVE = Rule(lambda value: _is_whole(value) and value >= 1, "a whole number of at least 1, in 64 bits")
_COUNT = Rule(lambda value: _is_whole(value) and value >= 0, "a whole number of at least 0, in 64 bits")
_NUMBER = Rule(lambda value: isinstance(value, int | float) and not isinstance(value, bool), "a number")
_TEXT = Rule(lambda value: isinstance(value, str), "a text")
_RULES: Mapping[str, Rule] = {
    "n": _POSITIVE,
    "best_of": _POSITIVE,
    "max_tokens": _POSITIVE,
    "max_completion_tokens": _POSITIVE,
    "top_logprobs": _COUNT,
    "logprobs": Rule(lambda value: isinstance(value, bool) or _COUNT.holds(value), "a switch or a number of tokens"),
    "seed": Rule(_is_whole, "a whole number in 64 bits"),
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "frequency_penalty": _NUMBER,
    "presence_penalty": _NUMBER,
    "logit_bias": Rule(lambda value: isinstance(value, dict), "an object"),
    "stop": Rule(lambda value: isinstance(value, str) or _is_list_of(str)(value), "a text or a list of texts"),
    "modalities": Rule(_is_list_of(str), "a list of texts"),
    "tools": Rule(_is_list_of(dict), "a list of tools"),
    "tool_choice": Rule(lambda value: isinstance(value, str | dict), "a word or an object"),
    "parallel_tool_calls": Rule(lambda value: isinstance(value, bool), "true or false"),
    "reasoning_effort": _TEXT,
    "user": _TEXT,
}


def check_options(options: Mapping[str, Any]) -> None:
    """Raises `Invalid` for the first that is not."""
    for name, value in options.items():
        rule = _RULES.get(name)
        if rule is not None and not rule.holds(value):
            raise Invalid(f"{name} must be {rule.said}", param=name)
