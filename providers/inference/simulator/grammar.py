"""A text that a grammar makes.

A grammar is of rules `name ::= ...`: literals, character classes, names, groups, `|` and repetitions, as llama.cpp and
vLLM read them (GBNF). `<name>` is a name as well.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

from providers.inference.simulator.budget import Budget, OutOfBudget, Unsatisfiable

ROOT = "root"
DEEPEST = 60
NEVER = 10**6
"""The height of what has no end."""
SHALLOW = 8
EXTRA_REPEATS = 3
TOKEN = re.compile(
    r"""\s+ | \#[^\n]* |
    (?P<literal> "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' ) |
    (?P<chars> \[(?:\\.|[^\]\\])*\] ) |
    (?P<count> \{\d{0,6},?\d{0,6}\} ) |
    (?P<is> ::= ) |
    (?P<name> [A-Za-z_][\w-]* | <[^<>\n]+> ) |
    (?P<mark> [|()*+?.] )""",
    re.VERBOSE,
)
ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
CLASS_PIECE = re.compile(ESCAPE.pattern.replace("(", "(?:", 1) + "|.", re.DOTALL)
CONTROLS = {"n": "\n", "t": "\t", "r": "\r"}
COUNTS = {"*": (0, None), "+": (1, None), "?": (0, 1)}
ANY = string.ascii_letters + string.digits + " .,-"


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Chars:
    """One of them."""

    chars: str


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    branches: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`most` is None for any number."""

    node: Node
    least: int
    most: int | None


Node = Text | Chars | Name | Sequence | Choice | Repeat


def make_text(source: str, seed: str) -> str:
    """Raises `Unsatisfiable` for what is no grammar, makes no text that ends, or one that is too long."""
    budget = Budget()
    try:
        budget.spend(len(source))
        rules = Parser(source).rules()
        if ROOT not in rules:
            raise Unsatisfiable("it has no rule `root`")
        return Writer(rules, random.Random(seed), budget).write()  # noqa: S311
    except (OutOfBudget, RecursionError):
        raise Unsatisfiable("it demands too much") from None


class Parser:
    def __init__(self, source: str) -> None:
        self._tokens = list(_tokens(source))
        self._at = 0

    def rules(self) -> dict[str, Node]:
        found: dict[str, Node] = {}
        while self._at < len(self._tokens):
            if not self._begins_rule():
                raise Unsatisfiable("a rule must be written `name ::= ...`")
            name = _bare(self._next()[1])
            self._at += 1
            if name in found:
                raise Unsatisfiable(f"the rule {name} is there twice")
            found[name] = self._choice(0)
        return found

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _begins_rule(self) -> bool:
        after = self._tokens[self._at + 1 : self._at + 2]
        return self._peek()[0] == "name" and [kind for kind, _ in after] == ["is"]

    def _choice(self, depth: int) -> Node:
        if depth > DEEPEST:
            raise Unsatisfiable("it is nested too deep")
        branches = [self._sequence(depth)]
        while self._peek() == ("mark", "|"):
            self._at += 1
            branches.append(self._sequence(depth))
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _sequence(self, depth: int) -> Node:
        parts = []
        while self._peek() not in (("", ""), ("mark", "|"), ("mark", ")")) and not self._begins_rule():
            parts.append(self._repeated(self._atom(depth)))
        return Sequence(tuple(parts))

    def _repeated(self, node: Node) -> Node:
        kind, text = self._peek()
        if kind == "mark" and text in COUNTS:
            self._at += 1
            return Repeat(node, *COUNTS[text])
        if kind != "count":
            return node
        self._at += 1
        least, comma, most = text[1:-1].partition(",")
        if not (least or most):
            raise Unsatisfiable(f"{text} is no number of times")
        return Repeat(node, int(least or 0), int(most) if most else None if comma else int(least))

    def _atom(self, depth: int) -> Node:
        kind, text = self._next()
        if kind == "literal":
            return Text(_unescaped(text[1:-1]))
        if kind == "chars":
            return Chars(_class(text[1:-1]))
        if kind == "name":
            return Name(_bare(text))
        if text == ".":
            return Chars(ANY)
        if text != "(":
            raise Unsatisfiable(f"{text} is not expected")
        node = self._choice(depth + 1)
        if self._next() != ("mark", ")"):
            raise Unsatisfiable("a bracket is not closed")
        return node


class Writer:
    def __init__(self, rules: dict[str, Node], rng: random.Random, budget: Budget) -> None:
        self._rules = rules
        self._rng = rng
        self._budget = budget
        self._heights = self._measure()

    def write(self) -> str:
        if self._heights[ROOT] >= NEVER:
            raise Unsatisfiable("no text of it ever ends")
        return "".join(self._texts(self._rules[ROOT], 0))

    def _texts(self, node: Node, depth: int) -> Iterator[str]:
        self._budget.spend(1)
        match node:
            case Text(text):
                self._budget.spend(len(text))
                yield text
            case Chars(chars):
                yield self._rng.choice(chars)
            case Name(name):
                yield from self._texts(self._rules[name], depth + 1)
            case Sequence(parts):
                for part in parts:
                    yield from self._texts(part, depth)
            case Choice(branches):
                yield from self._texts(self._pick(branches, depth), depth)
            case Repeat(inner, least, most):
                for _ in range(self._times(inner, least, most, depth)):
                    yield from self._texts(inner, depth)

    def _pick(self, branches: tuple[Node, ...], depth: int) -> Node:
        """At random, and deep down the one that ends soonest."""
        ending = [branch for branch in branches if self._height(branch) < NEVER]
        return self._rng.choice(ending) if depth < SHALLOW else min(ending, key=self._height)

    def _times(self, node: Node, least: int, most: int | None, depth: int) -> int:
        if depth >= SHALLOW or self._height(node) >= NEVER:
            return least
        limit = least + EXTRA_REPEATS
        return self._rng.randint(least, limit if most is None else max(least, min(most, limit)))

    def _measure(self) -> dict[str, int]:
        """How many rules deep the shallowest text of each goes."""
        heights = dict.fromkeys(self._rules, NEVER)
        self._heights = heights
        changed = True
        while changed:
            changed = False
            for name, node in self._rules.items():
                height = min(NEVER, self._height(node) + 1)
                changed = changed or height != heights[name]
                heights[name] = height
        return heights

    def _height(self, node: Node) -> int:
        self._budget.spend(1)
        match node:
            case Name(name):
                if name not in self._heights:
                    raise Unsatisfiable(f"there is no rule {name}")
                return self._heights[name]
            case Sequence(parts):
                return max(map(self._height, parts), default=0)
            case Choice(branches):
                return min(map(self._height, branches))
            case Repeat(inner, least, _):
                height = self._height(inner)
                return height if least else 0
        return 0


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(source):
        found = TOKEN.match(source, at)
        if found is None:
            raise Unsatisfiable(f"{source[at : at + 20]!r} is not understood")
        if found.lastgroup:
            yield found.lastgroup, found.group()
        at = found.end()


def _bare(name: str) -> str:
    return name.strip("<>").strip()


def _unescaped(text: str) -> str:
    return ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    said = found.group(1)
    if len(said) == 1:
        return CONTROLS.get(said, said)
    number = int(said[1:], 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise Unsatisfiable(f"\\{said} is no character")
    return chr(number)


def _class(inside: str) -> str:
    negated = inside.startswith("^")
    chars: list[str] = []
    written = CLASS_PIECE.findall(inside[negated:])
    pieces = [_unescaped(piece) for piece in written]
    at = 0
    while at < len(pieces):
        if written[at + 1 : at + 2] == ["-"] and at + 2 < len(pieces):
            first, last = ord(pieces[at]), min(ord(pieces[at + 2]), ord(pieces[at]) + 127)
            chars += map(chr, range(first, last + 1))
            at += 3
        else:
            chars.append(pieces[at])
            at += 1
    kept = [char for char in ANY if char not in chars] if negated else chars
    if not kept:
        raise Unsatisfiable(f"[{inside}] holds no character")
    return "".join(kept)
