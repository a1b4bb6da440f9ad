"""Text that a regular expression finds itself in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from random import Random
from typing import Any

from server.mock.conjunction import Impossible

# the standard library's own reader of patterns, which no stub knows
kinds, parser = import_module("re._constants"), import_module("re._parser")

PRINTABLE = [chr(code) for code in range(32, 127)]
CATEGORIES: Mapping[Any, Callable[[str], bool]] = {
    kinds.CATEGORY_DIGIT: str.isdigit,
    kinds.CATEGORY_NOT_DIGIT: lambda character: not character.isdigit(),
    kinds.CATEGORY_SPACE: str.isspace,
    kinds.CATEGORY_NOT_SPACE: lambda character: not character.isspace(),
    kinds.CATEGORY_WORD: lambda character: character.isalnum() or character == "_",
    kinds.CATEGORY_NOT_WORD: lambda character: not (character.isalnum() or character == "_"),
}
REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT)
EXTRA = 4
"""How often more than it must something is repeated at most."""


def write_text(pattern: str, dice: Random, min_length: int = 0) -> str:
    """Raises `Impossible` for a pattern that is not read here. Assertions are left to whoever judges the text."""
    try:
        parsed = parser.parse(re.sub(r"(?<!\\)((?:\\\\)*)\(\?<(?![=!])", r"\1(?P<", pattern))
    except (re.error, OverflowError) as error:
        raise Impossible(f"the pattern {pattern!r} cannot be read: {error}") from None
    texts = (_Writer(dice, floor).write(parsed) for floor in (0, min_length // 2, min_length))
    return next((text for text in texts if len(text) >= min_length), "")


class _Writer:
    """`floor` is how often what may be repeated is, if it may be so often."""

    def __init__(self, dice: Random, floor: int) -> None:
        self._dice = dice
        self._floor = floor
        self._groups: dict[int, str] = {}

    def write(self, nodes: Any) -> str:
        return "".join(self._node(kind, value) for kind, value in nodes)

    def _node(self, kind: Any, value: Any) -> str:
        if kind is kinds.LITERAL:
            return chr(value)
        if kind is kinds.IN:
            return self._one_of(value)
        if kind is kinds.ANY:
            return self._dice.choice("abcdefgh")
        if kind is kinds.NOT_LITERAL:
            return self._one_of([(kinds.NEGATE, None), (kinds.LITERAL, value)])
        if kind in REPEATS:
            low, high, inner = value
            least = min(int(high), max(low, self._floor))
            times = self._dice.randint(least, min(int(high), least + EXTRA))
            return "".join(self.write(inner) for _ in range(times))
        if kind is kinds.BRANCH:
            return self.write(self._dice.choice(value[1]))
        if kind is kinds.SUBPATTERN:
            text = self.write(value[3])
            if value[0] is not None:
                self._groups[value[0]] = text
            return text
        if kind is kinds.ATOMIC_GROUP:
            return self.write(value)
        if kind is kinds.GROUPREF:
            return self._groups.get(value, "")
        if kind in (kinds.AT, kinds.ASSERT, kinds.ASSERT_NOT):
            return ""
        raise Impossible(f"a pattern with {kind} cannot be written out")

    def _one_of(self, members: Sequence[tuple[Any, Any]]) -> str:
        negated = bool(members) and members[0][0] is kinds.NEGATE
        listed = members[1:] if negated else members
        inside = [character for character in PRINTABLE if any(_holds(kind, value, character) for kind, value in listed)]
        if negated:
            return self._dice.choice([character for character in PRINTABLE if character not in inside])
        if inside:
            return self._dice.choice(inside)
        kind, value = self._dice.choice(list(listed))
        return chr(value if kind is kinds.LITERAL else value[0])


def _holds(kind: Any, value: Any, character: str) -> bool:
    if kind is kinds.LITERAL:
        return bool(ord(character) == value)
    if kind is kinds.RANGE:
        return bool(value[0] <= ord(character) <= value[1])
    return bool(CATEGORIES[value](character))
