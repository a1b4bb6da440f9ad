"""OpenAI's chat and text completions, which three of the four APIs speak: options in, whole answers and events out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

import orjson

from handlers.core import transcript
from handlers.core.asks import Burst, Chunk, Usage
from handlers.core.call import Call
from handlers.core.chat import Answer, Stream
from handlers.core.errors import Invalid
from handlers.core.open_streams import Frames
from handlers.core.routing import Attempt
from handlers.wire import sse
from handlers.wire.reply import EventStream, Last
from handlers.wire.runs import Writer, Written

usage_body = transcript.usage_body

NOT_OPTIONS = frozenset({"model", "messages", "prompt", "stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class Style:
    """How a dialect's stream differs. `edit` rewrites a chunk's JSON (without it chunks go out as they came); `closing`
    is what the last event, the one with the usage, holds besides; `done` says whether `[DONE]` ends the stream."""

    include_usage: bool
    edit: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    closing: Callable[[], dict[str, Any]] | None = None
    done: bool = True


def options_of(data: Mapping[str, Any], leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A body's parameters for the vendor; an explicit null is the same as nothing."""
    return {
        name: value
        for name, value in data.items()
        if name not in NOT_OPTIONS and name not in leave_out and value is not None
    }


def note_metadata(data: Mapping[str, Any], names: Collection[str], call: Call) -> None:
    """What the client tells about its request goes into the request's record. Raises `Invalid` for a NUL in it, which
    Postgres cannot keep: it would show only when the model has answered."""
    told = {name: data[name] for name in names if data.get(name) is not None}
    for name, value in told.items():
        if _holds_nul(value):
            raise Invalid(f"{name}: NUL is not allowed", param=name)
    call.record.metadata = told or None


def _holds_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_nul(name) or _holds_nul(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(map(_holds_nul, value))
    return isinstance(value, str) and "\0" in value


def wants_usage(data: Mapping[str, Any]) -> bool:
    options = data.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def marks(attempt: Attempt) -> dict[str, str]:
    """The header that every simulated answer carries."""
    return {"X-Concordat-Provider": attempt.deployment.vendor} if attempt.simulated else {}


def whole(answer: Answer) -> dict[str, Any]:
    """The vendor's body with the usage that is charged."""
    return {**answer.body, "usage": usage_body(answer.usage)}


def pick(value: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The members that a closed schema knows, nulls left out."""
    return {name: value[name] for name in names if value.get(name) is not None}


def event_stream(stream: Stream, style: Style) -> EventStream:
    return EventStream(frames(stream, style), headers=marks(stream.attempt))


async def frames(stream: Stream, style: Style) -> AsyncIterator[bytes]:
    """One event a chunk, those of a burst together. The last goes out when the request's record is complete."""
    relay: _Relay | None = None
    held: list[Written] = []
    async with aclosing(cast(AsyncGenerator[Burst, None], stream.bursts)) as bursts:
        async for burst in bursts:
            if relay is None:
                relay = _Relay(burst[0].chunks[0], stream.attempt.model.id, style)
            written = held + relay.writer.write(burst)
            held = [] if style.done or b'"finish_reason":"' not in written[-1][0] else [written.pop()]
            if written:
                yield Frames.of(written)
    last = b"".join([frame for frame, _, _ in held])
    if style.include_usage and relay is not None:
        if last:
            yield last
        last = sse.event(relay.closing(stream.meter.usage))
    if style.done:
        if last:
            yield last
        yield sse.DONE
    elif last:
        yield Last(last)


class _Relay:
    """Writes chunks under the public model id. Bytes are replaced, not parsed: an unescaped `"model":"..."` cannot
    stand inside a JSON string."""

    def __init__(self, first: Chunk, model_id: str, style: Style) -> None:
        self._head = first.body
        self._model_id = model_id
        self._style = style
        theirs = orjson.dumps(first.body.get("model"))
        spellings = (b'"model":' + theirs, b'"model": ' + theirs)
        self._old = next((spelling for spelling in spellings if spelling in first.raw), None)
        self._new = b'"model":' + orjson.dumps(model_id)
        self.writer = Writer(self._frames)

    def _frames(self, chunk: Chunk) -> list[bytes]:
        return [sse.data(self._json(chunk))]

    def _json(self, chunk: Chunk) -> bytes:
        if self._style.edit is not None:  # several prompts are several calls, and one answer
            head = {name: self._head.get(name) for name in ("id", "created")}
            return orjson.dumps(self._style.edit({**chunk.body, **head, "model": self._model_id}))
        raw = chunk.raw
        if self._old is None or self._old not in raw:
            raw = orjson.dumps({**chunk.body, "model": self._model_id})
        else:
            raw = raw.replace(self._old, self._new, 1)
        return raw if self._style.include_usage else raw.replace(b',"usage":null', b"", 1)

    def closing(self, usage: Usage) -> dict[str, Any]:
        names = ("id", "object", "created")
        head = {name: self._head.get(name) for name in names}
        extra = self._style.closing() if self._style.closing else {}
        return {**head, "model": self._model_id, "choices": [], "usage": usage_body(usage), **extra}
