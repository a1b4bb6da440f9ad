"""What was told of a streamed answer before a crash, and how another answer goes on from there.

A model that is asked again need not say the same. As long as it does, nothing is told: it was. Where it begins to say
something else, what was told stays as it is, an answer that was cut, and the new one is told behind it from its start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Delta = Mapping[str, Any]
"""OpenAI's, of a chat's chunk."""
Channel = str | int
"""Which of the texts of an answer: the delta's field, or the number of a tool call."""
_TEXTS = ("reasoning_content", "content", "refusal")
_WHOLES = ("file_search", "annotations")
"""What is told at one go, or not at all."""


@dataclass(slots=True)
class _Calls:
    """Tells tool calls from each other, by their order. Some vendors number all of them 0: another id is another."""

    numbers: dict[int, int] = field(default_factory=dict)
    ids: dict[int, str | None] = field(default_factory=dict)
    count: int = 0

    def number(self, index: int, call_id: str | None) -> int:
        known = self.numbers.get(index)
        if known is None or (call_id and self.ids[known] and call_id != self.ids[known]):
            known = self.numbers[index] = self.count
            self.ids[known] = call_id
            self.count += 1
        return known


@dataclass(frozen=True, slots=True)
class _Piece:
    channel: Channel
    text: str
    delta: Delta

    def after(self, known: int) -> Iterator[Delta]:
        """What it says behind that many characters. A call that is known already keeps its id."""
        if known >= len(self.text):
            return
        if self.channel in _WHOLES:
            yield self.delta
        elif isinstance(self.channel, str):
            yield {self.channel: self.text[known:]}
        elif known:
            (call,) = self.delta["tool_calls"]
            yield {"tool_calls": [{"index": call["index"], "function": {"arguments": self.text[known:]}}]}
        else:
            yield self.delta


def _pieces(delta: Delta, calls: _Calls) -> Iterator[_Piece]:
    for name in (_WHOLES[0], *_TEXTS, _WHOLES[1]):
        said = delta.get(name)
        if said and name in _WHOLES:
            yield _Piece(name, orjson.dumps(said).decode(), {name: said})
        elif isinstance(said, str) and said:
            yield _Piece(name, said, {name: said})
    for position, call in enumerate(delta.get("tool_calls") or []):
        function = call.get("function") or {}
        index = call.get("index", position)
        called = (function.get("name") or "") + (function.get("arguments") or "")
        number = calls.number(index, call.get("id"))
        yield _Piece(number, called, {"tool_calls": [{**call, "index": index}]})


class Retelling:
    """`told` are the deltas that were told of the answer that was cut."""

    def __init__(self, told: Iterable[Delta]) -> None:
        self._ahead: list[tuple[Channel, str]] = []
        calls = _Calls()
        for piece in (piece for delta in told for piece in _pieces(delta, calls)):
            if self._ahead and self._ahead[-1][0] == piece.channel:
                self._ahead[-1] = (piece.channel, self._ahead[-1][1] + piece.text)
            else:
                self._ahead.append((piece.channel, piece.text))
        self._known_calls = calls.count
        self._calls = _Calls()
        self._held: list[Delta] = []
        self._differs = False

    def take(self, delta: Delta) -> Iterator[Delta | None]:
        """What is to be told of it. None says that the answer before is cut, and another begins."""
        if self._differs:
            yield delta
            return
        if self._ahead:
            self._held.append(delta)
        for piece in _pieces(delta, self._calls):
            matched = self._match(piece)
            if matched is None:
                yield from self._begin_anew()
                return
            yield from self._known(piece, matched)

    def finish(self) -> Iterator[Delta | None]:
        """At the end of the answer, which may be shorter than what was told."""
        if self._ahead and not self._differs:
            yield from self._begin_anew()

    def _match(self, piece: _Piece) -> int | None:
        """How many of its characters were told; None when something else was."""
        if not self._ahead:
            return 0
        channel, text = self._ahead[0]
        if channel != piece.channel:
            return None
        if text.startswith(piece.text):
            rest = text[len(piece.text) :]
            self._ahead[:1] = [(channel, rest)] if rest else []
            return len(piece.text)
        if piece.text.startswith(text) and len(self._ahead) == 1:
            self._ahead.clear()
            return len(text)
        return None

    def _known(self, piece: _Piece, matched: int) -> Iterator[Delta]:
        for delta in piece.after(matched):
            if isinstance(piece.channel, int) and piece.channel < self._known_calls and not matched:
                (call,) = delta["tool_calls"]
                yield {"tool_calls": [{name: value for name, value in call.items() if name != "id"}]}
            else:
                yield delta

    def _begin_anew(self) -> Iterator[Delta | None]:
        self._differs = True
        yield None
        yield from self._held
        self._held = []
