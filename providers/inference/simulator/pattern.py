"""A text that a regular expression (ECMA 262, as JSON schemas use it) matches.

Lookarounds, word boundaries and back references are read over: whoever asks checks the text.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable

from providers.inference.simulator.budget import Budget, Unsatisfiable

MOST_REPEATS = 1000
WORD = string.ascii_letters + string.digits + "_"
CLASSES = {"d": string.digits, "w": WORD, "s": " "}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}

Maker = Callable[[int], str]
"""Makes a text; the argument is how often a repetition without an upper bound runs beyond its least."""


class Pattern:
    """Raises `Unsatisfiable` for what it cannot read."""

    def __init__(self, source: str, rng: random.Random) -> None:
        self.source = source
        self.rng = rng
        self.at = 0
        self._maker = self._alternatives()
        if self.at < len(source):
            raise Unsatisfiable(f"the pattern {source!r} is not understood")

    def make(self, extra: int, budget: Budget) -> str:
        text = self._maker(extra)
        budget.spend(len(text))
        return text

    def _peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def _next(self) -> str:
        char = self._peek()
        if not char:
            raise Unsatisfiable(f"the pattern {self.source!r} ends too early")
        self.at += 1
        return char

    def _take(self, text: str) -> bool:
        if self.source.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _alternatives(self) -> Maker:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())

        def make(extra: int) -> str:
            return self.rng.choice(branches)(extra)

        return make

    def _sequence(self) -> Maker:
        parts: list[Maker] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return lambda extra: "".join(part(extra) for part in parts)

    def _repeated(self, atom: Maker) -> Maker:
        least, most = self._counts()
        self._take("?")
        if least > MOST_REPEATS:
            raise Unsatisfiable("the pattern repeats too often")

        def make(extra: int) -> str:
            count = least + extra if most is None else min(most, least + extra)
            return "".join(atom(extra) for _ in range(min(count, MOST_REPEATS)))

        return make

    def _counts(self) -> tuple[int, int | None]:
        if self._take("*"):
            return 0, None
        if self._take("+"):
            return 1, None
        if self._take("?"):
            return 0, 1
        start = self.at
        if self._take("{"):
            inside, closed, _ = self.source[self.at :].partition("}")
            least, comma, most = inside.partition(",")
            if closed and least.isdigit() and (most.isdigit() or not most):
                self.at += len(inside) + 1
                return int(least), int(most) if most else (None if comma else int(least))
            self.at = start
        return 1, 1

    def _atom(self) -> Maker:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return self._one_of(self._char_class())
        if char == "\\":
            return self._one_of(self._escape())
        if char in "^$":
            return lambda extra: ""
        if char == ".":
            return self._one_of(string.ascii_lowercase)
        return lambda extra: char

    def _one_of(self, chars: str) -> Maker:
        if not chars:
            return lambda extra: ""
        return lambda extra: self.rng.choice(chars)

    def _group(self) -> Maker:
        looks = any(self._take(mark) for mark in ("?=", "?!", "?<=", "?<!"))
        if not looks and not self._take("?:") and self._take("?<"):
            while self._next() != ">":
                pass
        inside = self._alternatives()
        if not self._take(")"):
            raise Unsatisfiable(f"the pattern {self.source!r} has an open group")
        return (lambda extra: "") if looks else inside

    def _char_class(self) -> str:
        negated = self._take("^")
        chars = ""
        while not self._take("]"):
            chars += self._range(self._member())
        if negated:
            chars = "".join(char for char in WORD + " -.,:/" if char not in chars)
        if not chars:
            raise Unsatisfiable(f"the pattern {self.source!r} has an empty class")
        return chars

    def _member(self) -> str:
        char = self._next()
        return self._escape(in_class=True) if char == "\\" else char

    def _range(self, first: str) -> str:
        ahead = self.source[self.at : self.at + 2]
        if len(first) != 1 or not ahead.startswith("-") or ahead in ("-]", "-"):
            return first
        self.at += 1
        last = self._member()
        if len(last) != 1:
            return first + "-" + last
        return "".join(chr(code) for code in range(ord(first), min(ord(last), ord(first) + 1000) + 1))

    def _escape(self, in_class: bool = False) -> str:
        """The characters that an escape stands for; none for an assertion or a back reference."""
        char = self._next()
        if char in CLASSES:
            return CLASSES[char]
        if char in "DWS":
            return "".join(one for one in "a-Z5 " if one not in CLASSES[char.lower()])
        if char in CONTROLS:
            return CONTROLS[char]
        if char in "xu":
            return self._coded(char)
        if char in "pP" and self._take("{"):
            name, _, _ = self.source[self.at :].partition("}")
            self.at += len(name) + 1
            return _PROPERTIES.get(name, string.ascii_letters) if char == "p" else " "
        if char == "b":
            return "\b" if in_class else ""
        if char == "B" or char.isdigit():
            return ""
        return char

    def _coded(self, char: str) -> str:
        digits = self.source[self.at : self.at + (2 if char == "x" else 4)]
        try:
            code = int(digits, 16)
        except ValueError:
            return char
        self.at += len(digits)
        return chr(code)


_PROPERTIES = {
    "L": string.ascii_letters,
    "Letter": string.ascii_letters,
    "Lu": string.ascii_uppercase,
    "Ll": string.ascii_lowercase,
    "N": string.digits,
    "Nd": string.digits,
    "P": ".,!?",
    "Z": " ",
}
