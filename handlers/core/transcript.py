"""A streamed chat made whole: what its deltas add up to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from providers.inference.interface import Burst, Chunk, Run, Shape, Usage

MANY_CHUNKS = 500
"""About a millisecond's work."""


def usage_body(usage: Usage) -> dict[str, Any]:
    """OpenAI's `usage`."""
    prompt_details = {"cached_tokens": usage.cached_tokens}
    if usage.cache_write_tokens:
        prompt_details["cache_creation_input_tokens"] = usage.cache_write_tokens
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


class Said:
    """What was said by and by. Runs of one shape become one, so that a stream that stays open for long is no crowd of
    objects, which the garbage collector would look at again and again."""

    __slots__ = ("_lines", "_pieces", "_shape")

    def __init__(self) -> None:
        self._pieces: Burst = []
        self._shape: Shape | None = None
        self._lines: list[bytes] = []

    def add(self, piece: Chunk | Run) -> None:
        if type(piece) is not Run:
            self._close()
            self._pieces.append(piece)
        elif piece.shape is self._shape:
            self._lines.append(piece.lines)
        else:
            self._close()
            self._shape, self._lines = piece.shape, [piece.lines]

    @property
    def pieces(self) -> Burst:
        """All there are by now: later ones only come behind them."""
        self._close()
        return self._pieces

    def _close(self) -> None:
        if self._shape is not None:
            self._pieces.append(Run(self._shape, b"\n".join(self._lines)))
            self._shape = None


async def join_all(sent: Burst) -> dict[str, Any]:
    """As `join`; what takes long does not keep others waiting."""
    return join(sent) if len(sent) < MANY_CHUNKS else await asyncio.to_thread(join, sent)


def join(sent: Iterable[Chunk | Run]) -> dict[str, Any]:
    """OpenAI's `chat.completion` from its `chat.completion.chunk`s, under the id of the first; the chunks of a text
    completion are taken for those of a chat."""
    head: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for said in sent:
        body = said.whole.body
        head = head or body
        for piece in body.get("choices") or []:
            index = piece.get("index", 0)
            choice = choices.setdefault(index, _empty(index))
            _add_choice(choice, piece)
    for choice in choices.values():
        for call in choice["message"].get("tool_calls") or []:
            del call["index"]
            call["function"] = _written(call["function"])
        choice["message"] = _written(choice["message"])
    return {
        "id": head.get("id"),
        "object": "chat.completion",
        "created": head.get("created"),
        "model": head.get("model"),
        "choices": [choices[index] for index in sorted(choices)],
    }


def _empty(index: int) -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "refusal": None}
    return {"index": index, "message": message, "logprobs": None, "finish_reason": None}


def _add_choice(choice: dict[str, Any], piece: dict[str, Any]) -> None:
    for name, value in (piece.get("delta") or {"content": piece.get("text")}).items():
        if name == "tool_calls":
            _add_calls(choice["message"].setdefault("tool_calls", []), value or [])
        elif name == "role":
            choice["message"]["role"] = value or "assistant"
        elif value is not None:
            choice["message"][name] = _sum(choice["message"].get(name), value)
    choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
    if piece.get("logprobs"):
        known = choice["logprobs"] = choice["logprobs"] or {}
        for name, tokens in piece["logprobs"].items():
            known[name] = _sum(known.get(name), tokens)


def _add_calls(calls: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    """A piece without an index belongs to the call of its id, or is a new one."""
    for piece in pieces:
        index = piece.get("index")
        same = "index" if index is not None else "id"
        call = next((known for known in calls if piece.get(same) is not None and known.get(same) == piece[same]), None)
        if call is None:
            call = {"index": index, "id": None, "type": "function", "function": {"name": _Text(), "arguments": _Text()}}
            calls.append(call)
        call["id"] = call["id"] or piece.get("id")
        function = piece.get("function") or {}
        for name in ("name", "arguments"):
            call["function"][name] = _sum(call["function"][name], function.get(name))


class _Text:
    """A text in pieces: to put them together one by one takes longer the longer it gets."""

    __slots__ = ("pieces",)

    def __init__(self, *pieces: str) -> None:
        self.pieces = [*pieces]


def _sum(known: Any, more: Any) -> Any:
    """Texts and lists go on; anything else is said anew."""
    if more is None:
        return known
    if isinstance(more, str):
        text = known if isinstance(known, _Text) else _Text()
        text.pieces.append(more)
        return text
    if isinstance(more, list):
        entries = known if isinstance(known, list) else []
        entries += more
        return entries
    return more


def _written(members: dict[str, Any]) -> dict[str, Any]:
    return {name: "".join(value.pieces) if isinstance(value, _Text) else value for name, value in members.items()}
