from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from typing import Any, cast

from handlers.core.asks import Burst, Chunk, each
from handlers.core.chat import Stream
from handlers.core.open_streams import Frames
from handlers.wire import openai_chat, sse
from handlers.wire.llama.answers import broken_call, chat_logprobs, parse_tool_call, stop_reason, text_logprobs
from handlers.wire.reply import EventStream, Last
from handlers.wire.runs import Writer, Written


def chat_stream(stream: Stream) -> EventStream:
    """No `[DONE]` and no comments: the clients parse whatever they are sent."""
    return EventStream(_chat_frames(stream), headers=openai_chat.marks(stream.attempt), keep_alive=False)


def text_stream(stream: Stream) -> EventStream:
    return EventStream(_text_frames(stream), headers=openai_chat.marks(stream.attempt), keep_alive=False)


async def _chat_frames(stream: Stream) -> AsyncIterator[bytes]:
    """`start`, `progress` for every piece, and `complete` once the request's record is."""
    relay = _Relay()
    opening = _frame("start", _text_delta(""))
    written: list[Written] = [(opening, opening, 1)]
    async with aclosing(cast(AsyncGenerator[Burst, None], stream.bursts)) as bursts:
        async for burst in bursts:
            written += relay.writer.write(burst)
            if written:
                yield Frames.of(written)
            written = []
    for delta in relay.calls.finish():
        yield _frame("progress", delta)
    yield Last(_frame("complete", _text_delta(""), {"stop_reason": stop_reason(relay.reason)}))


async def _text_frames(stream: Stream) -> AsyncIterator[bytes]:
    """`delta` after `delta`; the last is empty and says why it stopped."""
    reason: Any = None
    async with aclosing(cast(AsyncGenerator[Burst, None], stream.bursts)) as bursts:
        async for burst in bursts:
            choices = [choice for chunk in each(burst) for choice in chunk.body.get("choices") or []]
            reason = next((c["finish_reason"] for c in reversed(choices) if c.get("finish_reason")), reason)
            said = [choice for choice in choices if choice.get("text")]
            frames = [sse.event({"delta": choice["text"]} | text_logprobs(choice)) for choice in said]
            if frames:
                yield Frames.of([(frame, frame, 1) for frame in frames])
    yield Last(sse.event({"delta": "", "stop_reason": stop_reason(reason)}))


class _Relay:
    """Writes what a stream says as `progress`. `reason` is why it stopped, as OpenAI puts it."""

    def __init__(self) -> None:
        self.calls = _Calls()
        self.reason: Any = None
        self.writer = Writer(self._frames)

    def _frames(self, chunk: Chunk) -> list[bytes]:
        frames: list[bytes] = []
        for choice in chunk.body.get("choices") or []:
            self.reason = choice.get("finish_reason") or self.reason
            for delta in _deltas(choice, self.calls):
                frames.append(_frame("progress", delta, chat_logprobs(choice) if delta["type"] == "text" else {}))
        return frames


class _Calls:
    """Puts tool calls together from their pieces; one call is finished when the next begins or the stream ends."""

    def __init__(self) -> None:
        self._index: int | None = None
        self._call: dict[str, Any] = {}

    def take(self, piece: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The deltas that a piece of OpenAI's `delta.tool_calls` stands for."""
        function = piece.get("function") or {}
        if piece.get("index", 0) != self._index:
            yield from self.finish()
            self._index = piece.get("index", 0)
            self._call = {"id": piece.get("id"), "function": {"name": function.get("name"), "arguments": ""}}
            yield _call_delta("", "started")
        if function.get("arguments"):
            self._call["function"]["arguments"] += function["arguments"]
            yield _call_delta(function["arguments"], "in_progress")

    def finish(self) -> Iterator[dict[str, Any]]:
        if self._index is None:
            return
        parsed = parse_tool_call(self._call)
        yield _call_delta(parsed or broken_call(self._call), "succeeded" if parsed else "failed")
        self._index = None


def _deltas(choice: Mapping[str, Any], calls: _Calls) -> Iterator[dict[str, Any]]:
    delta = choice.get("delta") or {}
    if delta.get("content"):
        yield _text_delta(delta["content"])
    for piece in delta.get("tool_calls") or []:
        yield from calls.take(piece)


def _text_delta(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _call_delta(call: Any, status: str) -> dict[str, Any]:
    return {"type": "tool_call", "tool_call": call, "parse_status": status}


def _frame(event_type: str, delta: dict[str, Any], more: Mapping[str, Any] | None = None) -> bytes:
    return sse.event({"event": {"event_type": event_type, "delta": delta, **(more or {})}})
