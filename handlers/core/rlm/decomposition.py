"""The lambda engine: a text is cut, its parts are read at the same time, and what was found is put together, level by
level, as it was planned before the first call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import orjson

from handlers.core.asks import Message
from handlers.core.errors import CoreError, Invalid
from handlers.core.rlm import texts
from handlers.core.rlm.calls import AT_ONCE, Asker, Frame, Place, is_fatal, together
from handlers.core.rlm.toolbox import Toolbox

USUAL_WAYS = 8
SHORTEST_PART_TOKENS = 64
LONGEST_PART_TOKENS = 4096
LONGEST_LEAF = 400_000
TOOL_ROUNDS = 4
"""How often one call may use tools before it has to answer."""
BREAKS = ("\n\n", "\n", ". ", " ")
"""Where a text is rather cut, the best first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A tree of `depth` levels below its root, each node with `ways` parts; at depth 0 there is one call. A leaf reads
    `leaf_characters` at most, and what is found in a part is `part_tokens` long at most."""

    depth: int
    ways: int
    leaf_characters: int
    part_tokens: int

    @property
    def calls(self) -> int:
        return sum(self.ways**level for level in range(self.depth + 1))


def make_plan(text: str, context_tokens: int, max_depth: int) -> Plan:
    """Half of what the model can read is for the text, counted as two bytes a token; the parts of a node have the other
    half. The tree is as flat as that allows. Raises `Invalid` for a text that does not fit into `max_depth` levels."""
    size_bytes = max(1, len(text.encode("utf-8", "surrogatepass")))
    leaf = max(1, min(context_tokens, LONGEST_LEAF) * len(text) // size_bytes)
    leaves = max(1, ceil(len(text) / leaf))
    if leaves == 1:
        return Plan(0, 1, leaf, LONGEST_PART_TOKENS)
    most_ways = max(2, context_tokens // 2 // SHORTEST_PART_TOKENS)
    for depth in range(1, max_depth + 1):
        ways = max(2, _root(leaves, depth))
        if ways <= (most_ways if depth == max_depth else min(USUAL_WAYS, most_ways)):
            part_tokens = min(LONGEST_PART_TOKENS, context_tokens // 2 // ways)
            return Plan(depth, ways, leaf, part_tokens)
    message = f"the input does not fit into a decomposition of {max_depth} levels for this model"
    raise Invalid(message, code="input_too_large", param="rlm.max_depth")


def _root(leaves: int, depth: int) -> int:
    """The least number of ways that makes as many leaves."""
    ways = max(1, int(leaves ** (1 / depth)) - 1)
    while ways**depth < leaves:
        ways += 1
    return ways


def split(text: str, ways: int) -> list[str]:
    """About even parts that make up the text, cut between paragraphs, lines, sentences or words where one ends in the
    last fifth of a part."""
    parts, start = [], 0
    for left in range(ways, 0, -1):
        size = ceil((len(text) - start) / left)
        end = len(text) if left == 1 else _cut(text, start, start + size)
        parts.append(text[start:end])
        start = end
    return [part for part in parts if part]


def _cut(text: str, start: int, end: int) -> int:
    earliest = end - max(1, (end - start) // 5)
    for mark in BREAKS:
        found = text.rfind(mark, earliest, end)
        if found >= 0:
            return found + len(mark)
    return end


@dataclass(slots=True)
class Decomposition:
    """`tell` is told how far the run has come, from 0 to 1."""

    frame: Frame
    asker: Asker
    toolbox: Toolbox
    tell: Callable[[float], Awaitable[None]]
    plan: Plan = field(init=False)
    _done: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        ask = self.frame.ask
        self.plan = make_plan(ask.text, self.frame.context_tokens, ask.bounds.max_depth)

    async def answer(self) -> str:
        """Raises `CoreError`."""
        ask = self.frame.ask
        if not self.plan.depth:
            return await self._say(Place("0", 0), texts.whole_messages(ask))
        return await self._solve(ask.text, "0", 0)

    async def _solve(self, text: str, path: str, level: int) -> str:
        ask, crowd = self.frame.ask, min(AT_ONCE, self.plan.ways)
        if level == self.plan.depth:
            messages = texts.part_messages(ask, text, path)
            return await self._say(Place(path, level, crowd), messages, self.plan.part_tokens)
        pieces = split(text, self.plan.ways)
        found = await together(
            [self._solve(piece, f"{path}.{number}", level + 1) for number, piece in enumerate(pieces, 1)]
        )
        place = Place(f"{path}=", level, crowd if level else 1)
        return await self._say(
            place, texts.merge_messages(ask, found, not level), self.plan.part_tokens if level else None
        )

    async def _say(self, place: Place, messages: list[Message], most_tokens: int | None = None) -> str:
        options: dict[str, Any] = {} if most_tokens is None else {"max_completion_tokens": self._held(most_tokens)}
        for turn in range(TOOL_ROUNDS + 1):
            tools = {"tools": self.toolbox.functions} if self.toolbox.names and turn < TOOL_ROUNDS else {}
            at = Place(f"{place.path}#{turn}" if turn else place.path, place.depth, place.crowd)
            said = await self.asker.ask(at, messages, **options, **tools)
            calls = said.get("tool_calls") if tools else None
            if not calls:
                break
            messages = [*messages, said, *await self._use(calls, at.path)]
        self._done += 1
        await self.tell(self._done / (self.plan.calls + 1))
        return str(said.get("content") or "")

    def _held(self, most_tokens: int) -> int:
        """Vendors refuse a limit beyond what their model writes."""
        return min(most_tokens, self.frame.attempt.model.max_output_tokens or most_tokens)

    async def _use(self, calls: Sequence[dict[str, Any]], path: str) -> list[Message]:
        async def one(number: int) -> Message:
            call = calls[number]
            try:
                value = await self._use_one(call.get("function") or {}, f"{path}@{number}")
            except CoreError as error:
                if is_fatal(error):
                    raise
                value = f"[error: {error.message}]"
            return {"role": "tool", "tool_call_id": call.get("id"), "content": value}

        return await together([one(number) for number in range(len(calls))])

    async def _use_one(self, function: dict[str, Any], place: str) -> str:
        try:
            arguments = orjson.loads(function.get("arguments") or "{}")
        except orjson.JSONDecodeError:
            raise Invalid("the arguments are no JSON") from None
        argument = next(iter(arguments.values()), None) if isinstance(arguments, dict) else None
        value = await self.toolbox.use(str(function.get("name")), argument, place)
        return value if isinstance(value, str) else orjson.dumps(value).decode()
