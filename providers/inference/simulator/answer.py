"""What the simulator says: text, a tool call or an instance of a schema, cut where the request's limits say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from providers.errors import Refused
from providers.inference.interface import ChatRequest, TextRequest
from providers.inference.simulator import logprobs
from providers.inference.simulator.conversation import digest_of, quoted, text_of
from providers.inference.simulator.grammar import make_text
from providers.inference.simulator.instance import Unsatisfiable, make_instance
from providers.inference.simulator.tools import Asked, asked_tools
from providers.tokens import Piece, split_text

RESULT_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: list[Piece]


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice. `logprobs` has an entry for each piece of `content`, or is None when nobody asked."""

    content: list[Piece]
    finish_reason: str
    reasoning: list[Piece] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        return joined(self.content)

    @property
    def reasoning_tokens(self) -> int:
        return _tokens(self.reasoning)

    @property
    def tokens(self) -> int:
        return self.reasoning_tokens + _tokens(self.content) + sum(_tokens(call.arguments) for call in self.calls)


class Allowance:
    """How many tokens may still be written; None is any number."""

    def __init__(self, left: int | None) -> None:
        self.left = left
        self.exhausted = False

    def take(self, pieces: list[Piece]) -> list[Piece]:
        """As many of the pieces from the start as are allowed."""
        if self.left is None:
            return pieces
        taken = []
        for piece in pieces:
            if piece.tokens > self.left:
                self.exhausted = True
                break
            self.left -= piece.tokens
            taken.append(piece)
        return taken


@dataclass(frozen=True, slots=True)
class Turn:
    """What one choice is made from: the request's options, the fingerprint that seeds it and what it may still say."""

    options: Mapping[str, Any]
    digest: str
    allowance: Allowance


async def answer_chat(request: ChatRequest, index: int, new_id: Callable[[], str], empty: bool) -> Answer:
    """Choice `index` of the answer. Raises `Refused` for what no answer can obey."""
    options, messages = request.options, request.messages
    if not messages:
        raise Refused("messages must not be empty", param="messages")
    asked = asked_tools(options, messages)
    if empty:
        return Answer([], "stop")
    digest = digest_of([request.model, list(messages), options.get("seed"), index])
    turn = Turn(options, digest, _allowance(options))
    reasoning = turn.allowance.take(await split_text(_reasoning(options, messages, digest)))
    if asked:
        return await _call_tools(asked, reasoning, turn, new_id)
    return await _say(await _structured(options, messages, digest), reasoning, turn)


async def answer_text(request: TextRequest, index: int, empty: bool) -> Answer:
    if empty:
        return Answer([], "stop")
    options = request.options
    digest = digest_of([request.model, request.prompt, options.get("suffix"), options.get("seed"), index])
    text = f" This is a simulated continuation of {quoted(request.prompt)} ({digest[:8]})."
    wanted = options.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") == "grammar":
        text = await _grammatical(wanted, digest)
    if options.get("echo"):
        text = request.prompt + text
    return await _say(text, [], Turn(options, digest, _allowance(options)))


def joined(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def _allowance(options: Mapping[str, Any]) -> Allowance:
    for name in ("max_completion_tokens", "max_tokens"):
        limit = options.get(name)
        if limit is None:
            continue
        if not isinstance(limit, int) or limit < 1:
            raise Refused(f"{name} must be a whole number of at least 1", param=name)
        return Allowance(limit)
    return Allowance(None)


async def _call_tools(asked: list[Asked], reasoning: list[Piece], turn: Turn, new_id: Callable[[], str]) -> Answer:
    calls = []
    for number, tool in enumerate(asked):
        instance = _instance(tool.parameters, f"{turn.digest}{number}", f"tools[{tool.name}].parameters")
        arguments = await split_text(orjson.dumps(instance).decode())
        calls.append(ToolCall(f"call_{new_id()}", tool.name, turn.allowance.take(arguments)))
        if turn.allowance.exhausted:
            break
    return Answer([], "length" if turn.allowance.exhausted else "tool_calls", reasoning, calls)


async def _say(text: str, reasoning: list[Piece], turn: Turn) -> Answer:
    content = turn.allowance.take(await split_text(_stopped(text, turn.options.get("stop"))))
    finish_reason = "length" if turn.allowance.exhausted else "stop"
    return Answer(content, finish_reason, reasoning, logprobs=logprobs.entries(content, turn.options, turn.digest))


def _stopped(text: str, stop: Any) -> str:
    stops = [stop] if isinstance(stop, str) else stop or []
    ends = [text.find(word) for word in stops if isinstance(word, str) and word and word in text]
    return text[: min(ends)] if ends else text


async def _structured(options: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], digest: str) -> str:
    wanted = options.get("response_format")
    wanted = wanted if isinstance(wanted, dict) else {}
    kind = wanted.get("type", "text")
    if kind == "json_schema":
        named = wanted.get("json_schema")
        schema = named.get("schema", {}) if isinstance(named, dict) else {}
        return orjson.dumps(_instance(schema, digest, "response_format")).decode()
    if kind == "grammar":
        return await _grammatical(wanted, digest)
    said = _sentence(messages, digest)
    return orjson.dumps({"simulated": True, "answer": said}).decode() if kind == "json_object" else said


async def _grammatical(wanted: Mapping[str, Any], digest: str) -> str:
    try:
        return await asyncio.to_thread(make_text, str(wanted.get("grammar", "")), digest)
    except Unsatisfiable as error:
        raise Refused(f"the simulator makes no text by the grammar: {error}", param="response_format") from error


def _instance(schema: Any, digest: str, param: str) -> Any:
    try:
        return make_instance(schema, digest)
    except Unsatisfiable as error:
        raise Refused(f"the simulator finds no value for the schema: {error}", param=param) from error


def _sentence(messages: Sequence[Mapping[str, Any]], digest: str) -> str:
    last = messages[-1]
    mark = f"({len(messages)} message{'s' if len(messages) > 1 else ''}, {digest[:8]})"
    if last.get("role") in ("tool", "function", "ipython"):
        result = text_of(last.get("content"))[:RESULT_CHARACTERS]
        return f"This is a simulated answer from a tool's result: {result} {mark}"
    return f"This is a simulated answer to {quoted(text_of(last.get('content')))} {mark}."


def _reasoning(options: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], digest: str) -> str:
    asked = options.get("reasoning")
    effort = options.get("reasoning_effort") or (asked.get("effort") if isinstance(asked, dict) else None)
    if effort in (None, "none"):
        return ""
    subject = quoted(text_of(messages[-1].get("content")))
    return f"Simulated reasoning of {effort} effort about {subject} ({digest[8:16]})."


def _tokens(pieces: Sequence[Piece]) -> int:
    return sum(piece.tokens for piece in pieces)
