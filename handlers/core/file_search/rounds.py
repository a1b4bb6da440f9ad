"""Asking a model until it has searched enough: each time is a chat of its own, and all of them one answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from handlers.core import chat, transcript
from handlers.core.asks import Burst, ChatAsk, Chunk, Message, each
from handlers.core.call import Call
from handlers.core.chat import Answer, Stream
from handlers.core.file_search.ask import NAME, FileSearch, check, run, with_tool
from handlers.core.file_search.marks import Marks, id_of, name_of
from handlers.core.metering import Meter
from handlers.core.parts import in_parts
from handlers.core.retrieval.searching import Hits
from handlers.core.streams import begin

MOST_ROUNDS = 5
"""How often a model is asked for one answer; the last time it cannot search any more."""


async def complete(ask: ChatAsk, search: FileSearch | None, call: Call) -> Answer:
    """As `chat.complete`, which it is without a search."""
    if search is None:
        return await chat.complete(ask, call)
    await check(search, ask, call)
    with in_parts(call) as part:
        rounds = _Rounds(ask, search, part)
        answer = await chat.complete(rounds.next(), part())
        first, message = answer, _message(answer.body)
        while await rounds.search(message, first.meter):
            answer = await chat.complete(rounds.next(first.meter), part())
            first.meter.include(answer.meter)
            message = _message(answer.body)
    call.record.finish_reason = (answer.body["choices"][0]).get("finish_reason")
    body = {**answer.body, "choices": [{**answer.body["choices"][0], "message": rounds.tell(message)}]}
    return Answer(answer.attempt, body, first.meter)


async def stream(ask: ChatAsk, search: FileSearch | None, call: Call) -> Stream:
    """As `chat.stream`, which it is without a search."""
    if search is None:
        return await chat.stream(ask, call)
    await check(search, ask, call)
    call.record.streamed = True
    with ExitStack() as stack:
        part = stack.enter_context(in_parts(call))
        rounds = _Rounds(ask, search, part)
        opened = await chat.stream(rounds.next(), part())
        bursts = await begin(_relay(rounds, opened, (call, stack.pop_all())))
    return Stream(opened.attempt, bursts, opened.meter)


async def _relay(rounds: _Rounds, opened: Stream, ending: tuple[Call, ExitStack]) -> AsyncGenerator[Burst, None]:
    """One stream of several: what the first chunk says of itself, all say."""
    call, stack = ending
    first, head, reason = opened, dict[str, Any](), None
    with stack:
        while True:
            sent: Burst = []
            async with aclosing(cast(AsyncGenerator[Burst, None], opened.bursts)) as bursts:
                async for burst in bursts:
                    sent += burst
                    chunks = each(burst)
                    head = head or {name: value for name, value in chunks[0].body.items() if name != "choices"}
                    if visible := [_chunk(head, delta) for chunk in chunks for delta in rounds.visible(chunk)]:
                        yield [*visible]
            if opened is not first:
                first.meter.include(opened.meter)
            whole = await transcript.join_all(sent)
            choice = (whole.get("choices") or [{}])[0]
            message, reason = choice.get("message") or {}, choice.get("finish_reason")
            before = len(rounds.searches)
            is_searching = await rounds.search(message, first.meter)
            for delta in rounds.last_deltas(message, before):
                yield [_chunk(head, delta)]
            if not is_searching:
                break
            opened = await chat.stream(rounds.next(first.meter), rounds.part())
    call.record.finish_reason = reason
    yield [_chunk(head, {}, reason)]


@dataclass(slots=True)
class _Rounds:
    """`searches` are items of a response; `part` makes the call of the next thing to be asked."""

    ask: ChatAsk
    what: FileSearch
    part: Callable[[], Call]
    marks: Marks = field(default_factory=Marks)
    searches: list[dict[str, Any]] = field(default_factory=list)
    _said: list[Message] = field(default_factory=list)
    _number: int = 0

    def next(self, spent: Meter | None = None) -> ChatAsk:
        """What is left of the money is for this round and those after it."""
        self._number += 1
        ask = self.ask
        if ask.max_cost_usd is not None and spent is not None:
            ask = replace(ask, max_cost_usd=ask.max_cost_usd - Decimal(spent.cost_micros) / 1_000_000)
        return with_tool(self.what, ask, self._said, self._number - 1, self._number >= MOST_ROUNDS)

    async def search(self, message: Mapping[str, Any], meter: Meter) -> bool:
        """Does what the model calls for; False when that is nothing. It waits where the model also calls functions of
        the client's: those come first."""
        calls = message.get("tool_calls") or []
        if not calls or any(not _is_ours(one) for one in calls) or self._number >= MOST_ROUNDS:
            return False
        self._said.append({"role": "assistant", "content": message.get("content"), "tool_calls": calls})
        for one in calls:
            call = self.part()
            queries, found = await run(self.what, (one.get("function") or {}).get("arguments") or "", call)
            meter.include_cost(call.record.cost_micros)
            told = found if isinstance(found, str) else self.marks.show(found.found)
            self._said.append({"role": "tool", "tool_call_id": one.get("id") or "", "content": told})
            self.searches.append(self._item(queries, found, call))
        self.marks.length = 0
        return True

    def tell(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """A whole answer."""
        told = {**message, "tool_calls": [one for one in message.get("tool_calls") or [] if not _is_ours(one)]}
        if not told["tool_calls"]:
            del told["tool_calls"]
        if isinstance(message.get("content"), str):
            clean, cited = self.marks.take(message["content"])
            told |= {"content": clean + self.marks.finish(), "annotations": cited}
        return told | {"file_search": self.searches}

    def visible(self, chunk: Chunk) -> list[dict[str, Any]]:
        """What of a chunk is for the client at once: calls wait until it is known whose they are."""
        deltas = []
        for choice in chunk.body.get("choices") or []:
            delta = {name: value for name, value in (choice.get("delta") or {}).items() if name != "tool_calls"}
            if self._number > 1:
                delta.pop("role", None)
            if isinstance(delta.get("content"), str):
                delta["content"], cited = self.marks.take(delta["content"])
                delta |= {"annotations": cited} if cited else {}
            if any(value not in (None, "") for value in delta.values()):
                deltas.append(delta)
        return deltas

    def last_deltas(self, message: Mapping[str, Any], before: int) -> list[dict[str, Any]]:
        """What was held back of a round: the end of its text, the client's calls, and the searches since `before`."""
        deltas: list[dict[str, Any]] = []
        if left := self.marks.finish():
            deltas.append({"content": left})
        calls = [one for one in message.get("tool_calls") or [] if not _is_ours(one)]
        if calls:
            deltas.append({"tool_calls": [{**one, "index": number} for number, one in enumerate(calls)]})
        if len(self.searches) > before:
            deltas.append({"file_search": self.searches[before:]})
        return deltas

    def _item(self, queries: Sequence[str], found: Hits | str, call: Call) -> dict[str, Any]:
        results = None
        if self.what.shows_results:
            results = [] if isinstance(found, str) else [_result(hit) for hit in found.found]
        status = "failed" if isinstance(found, str) else "completed"
        item = {"type": "file_search_call", "status": status, "queries": list(queries)}
        return item if results is None else item | {"results": results}


def _result(hit: Any) -> dict[str, Any]:
    attributes = dict(hit.file.attributes) if hit.file else dict((hit.chunk.extra or {}).get("metadata") or {})
    return {
        "file_id": id_of(hit),
        "filename": name_of(hit),
        "score": hit.score,
        "text": hit.chunk.text,
        "attributes": attributes,
    }


def _is_ours(call: Mapping[str, Any]) -> bool:
    return (call.get("function") or {}).get("name") == NAME


def _message(body: Mapping[str, Any]) -> Mapping[str, Any]:
    message: Mapping[str, Any] = body["choices"][0]["message"]
    return message


def _chunk(head: Mapping[str, Any], delta: Mapping[str, Any], reason: str | None = None) -> Chunk:
    return Chunk(body={**head, "choices": [{"index": 0, "delta": dict(delta), "finish_reason": reason}]})
