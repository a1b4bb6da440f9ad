"""A chat's answer as the items of a response, whole or piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

from handlers.core.responses.response import Item

Kind = Literal["text", "refusal", "reasoning", "arguments", "search"]

_SPOKEN = (("reasoning_content", "reasoning"), ("content", "text"), ("refusal", "refusal"))
_ITEM_TYPES: Mapping[Kind, str] = {"text": "message", "refusal": "message", "reasoning": "reasoning"}
_NEW_PARTS: Mapping[Kind, dict[str, Any]] = {
    "text": {"type": "output_text", "text": "", "annotations": []},
    "refusal": {"type": "refusal", "refusal": ""},
    "reasoning": {"type": "summary_text", "text": ""},
}


@dataclass(frozen=True, slots=True)
class Step:
    """How an output grows; `annotated` adds the last annotation of a part's. `index` is the item's place in the output
    and `part` the part's in its item; `item` is as far as it has come, of a part that is not done without its text."""

    act: Literal["item_added", "part_added", "delta", "annotated", "searched", "part_done", "item_done"]
    kind: Kind
    index: int
    item: Item
    part: int = 0
    delta: str = ""


@dataclass(slots=True)
class _Open:
    """What is being said. Its text is put together when it is done."""

    kind: Kind
    index: int
    item: Item
    part: int = 0
    pieces: list[str] = field(default_factory=list)

    def step(self, act: Any, delta: str = "") -> Step:
        item = deepcopy(self.item) if act == "item_added" else self.item
        return Step(act, self.kind, self.index, item, self.part, delta)


class Assembler:
    """`output` is complete once `finish` was iterated to its end. Reasoning is left out unless it is to be shown."""

    def __init__(self, new_id: Callable[[str], str], show_reasoning: bool) -> None:
        self.output: list[Item] = []
        self._new_id = new_id
        self._show_reasoning = show_reasoning
        self._speech: _Open | None = None
        self._calls: list[_Open] = []
        self._by_number: dict[int, _Open] = {}

    def feed(self, delta: Mapping[str, Any]) -> Iterator[Step]:
        """`delta` is OpenAI's: of a chunk, or a whole message."""
        for search in delta.get("file_search") or []:
            yield from self._search(search)
        for name, kind in _SPOKEN:
            said = delta.get(name)
            if isinstance(said, str) and said and (kind != "reasoning" or self._show_reasoning):
                yield from self._say(kind, said)  # type: ignore[arg-type]
        for annotation in delta.get("annotations") or []:
            yield from self._annotate(annotation)
        for position, piece in enumerate(delta.get("tool_calls") or []):
            yield from self._call(piece, piece.get("index", position))

    def finish(self, *, cut: bool) -> Iterator[Step]:
        """`cut` says that the answer ends before its end. What is fed from then on is another answer."""
        last = self.output[-1] if self.output else None
        for opened in [self._speech, *self._calls]:
            if opened is not None:
                yield from self._end_part(opened)
                yield from self._end_item(opened, "incomplete" if cut and opened.item is last else "completed")
        self._speech, self._calls, self._by_number = None, [], {}

    def _search(self, search: Mapping[str, Any]) -> Iterator[Step]:
        """One that is done: it is told as one that begins, and ends."""
        yield from self._end_speech()
        opened = self._begin("search", {"id": self._new_id("fs"), **search, "status": "in_progress"})
        yield opened.step("item_added")
        yield opened.step("searched")
        yield from self._end_item(opened, search["status"])

    def _annotate(self, annotation: Mapping[str, Any]) -> Iterator[Step]:
        """Of what is being said."""
        if self._speech is None or self._speech.kind != "text":
            yield from self._begin_speech("text")
        assert self._speech is not None
        _parts(self._speech.item)[self._speech.part]["annotations"].append(dict(annotation))
        yield self._speech.step("annotated")

    def _say(self, kind: Kind, said: str) -> Iterator[Step]:
        speech = self._speech
        if speech is None or speech.kind != kind:
            yield from self._begin_speech(kind)
        assert self._speech is not None
        self._speech.pieces.append(said)
        yield self._speech.step("delta", said)

    def _begin_speech(self, kind: Kind) -> Iterator[Step]:
        """Text and refusal are parts of one message."""
        before = self._speech
        if before is not None:
            yield from self._end_part(before)
        if before is not None and before.item["type"] == _ITEM_TYPES[kind]:
            self._speech = _Open(kind, before.index, before.item, before.part + 1)
        else:
            if before is not None:
                yield from self._end_item(before, "completed")
            self._speech = self._begin(kind, self._new_speech(kind))
            yield self._speech.step("item_added")
        _parts(self._speech.item).append(deepcopy(_NEW_PARTS[kind]))
        yield self._speech.step("part_added")

    def _new_speech(self, kind: Kind) -> Item:
        if kind == "reasoning":
            return {"id": self._new_id("rs"), "type": "reasoning", "status": "in_progress", "summary": []}
        content: list[Any] = []
        head = {"id": self._new_id("msg"), "type": "message", "status": "in_progress"}
        return {**head, "role": "assistant", "content": content}

    def _call(self, piece: Mapping[str, Any], number: int) -> Iterator[Step]:
        """Some vendors number all calls 0: another id is another call."""
        function, call_id = piece.get("function") or {}, piece.get("id")
        opened = self._by_number.get(number)
        if opened is None or (call_id and call_id != opened.item["call_id"]):
            yield from self._end_speech()
            opened = self._by_number[number] = self._begin("arguments", self._new_call(call_id, function))
            self._calls.append(opened)
            yield opened.step("item_added")
        if arguments := function.get("arguments"):
            opened.pieces.append(arguments)
            yield opened.step("delta", arguments)

    def _new_call(self, call_id: str | None, function: Mapping[str, Any]) -> Item:
        head = {"id": self._new_id("fc"), "type": "function_call", "status": "in_progress"}
        name = function.get("name") or ""
        return {**head, "call_id": call_id or self._new_id("call"), "name": name, "arguments": ""}

    def _begin(self, kind: Kind, item: Item) -> _Open:
        self.output.append(item)
        return _Open(kind, len(self.output) - 1, item)

    def _end_speech(self) -> Iterator[Step]:
        if self._speech is not None:
            yield from self._end_part(self._speech)
            yield from self._end_item(self._speech, "completed")
            self._speech = None

    def _end_part(self, opened: _Open) -> Iterator[Step]:
        text = "".join(opened.pieces)
        if opened.kind == "arguments":
            opened.item["arguments"] = text
        else:
            _parts(opened.item)[opened.part]["refusal" if opened.kind == "refusal" else "text"] = text
        yield opened.step("part_done")

    def _end_item(self, opened: _Open, status: str) -> Iterator[Step]:
        opened.item["status"] = status
        yield opened.step("item_done")


def _parts(item: Item) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = item["summary" if item["type"] == "reasoning" else "content"]
    return parts
