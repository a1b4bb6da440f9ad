"""What a handler may return besides a plain JSON value (which is answered with the operation's first 2xx status)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `content` is a JSON value, or bytes that go out as `media_type` says. `status` None is the
    operation's first documented 2xx."""

    content: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None


class Last(bytes):
    """An SSE frame that ends a stream for its reader."""


@dataclass(frozen=True, slots=True)
class ByteStream:
    """An answer that is too large to be held: `chunks` add up to `size_bytes`, or are made as they are sent, which None
    says. What goes wrong in the first is answered as an error; later on the connection breaks off, which its reader
    notices by the length, or by the missing end."""

    chunks: AsyncIterator[bytes]
    size_bytes: int | None
    media_type: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventStream:
    """A `text/event-stream` answer: `events` yields SSE frames (`b"data: ...\\n\\n"`), each a whole one,
    or `Frames`.

    A frame that a client takes for the end of the stream (`data: [DONE]`, a `complete` event) is a `Last`: it goes out
    only once the request's record, filled in by then, is committed. The binding pulls the first frame before it sends
    a status, so an error raised up to then is answered as an error; a later one ends the stream with what the API's
    `errors.py: stream_error` makes of it. `keep_alive` allows `: keep-alive` comments.
    """

    events: AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    keep_alive: bool = True


Answer: TypeAlias = Reply | ByteStream | EventStream | dict[str, Any] | list[Any] | str | int | float | bool | None
"""What a handler returns."""
