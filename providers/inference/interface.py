"""What the core asks of anything that answers chats and completes text.

The common tongue is OpenAI's chat-completions JSON, because three of the four APIs and most vendors speak it: a
vendor of that kind then costs no translation, and its stream is relayed as it came. Other vendors translate here.

Nobody changes what is made here. It is not frozen, as each call makes several, and freezing makes them four times as
dear.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import orjson

Json = Any
Message = dict[str, Any]
"""One message in OpenAI's chat shape: `role`, `content` (text, null or parts), `tool_calls`, `tool_call_id`, ..."""


@dataclass(slots=True, unsafe_hash=True)
class ChatRequest:
    """`options` holds every other parameter of OpenAI's chat API under its own name, `stream` and
    `stream_options` excepted; names that are nobody's are passed on. `model` is the vendor's name for the model."""

    model: str
    messages: Sequence[Message]
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(slots=True, unsafe_hash=True)
class TextRequest:
    """A text completion (OpenAI `/completions`). `prompt` is one text; `options` as in `ChatRequest`."""

    model: str
    prompt: str
    options: Mapping[str, Json] = field(default_factory=dict)


@dataclass(slots=True, unsafe_hash=True)
class Usage:
    """Tokens. `cached_tokens` and `cache_write_tokens` are part of `prompt_tokens`, `reasoning_tokens` of
    `completion_tokens`. `counted_by` says whether the vendor counted or we did."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    counted_by: Literal["vendor", "concordat"] = "vendor"

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(slots=True, unsafe_hash=True)
class Completion:
    """A whole answer. `body` is OpenAI's `chat.completion` (or `text_completion`) JSON: `id`, `created`, `model`,
    `choices`, ...; reasoning text is at `choices[].message.reasoning_content`. `usage` is None where the vendor sent
    none."""

    body: dict[str, Any]
    usage: Usage | None


class Chunk:
    """One event of a streamed answer: OpenAI's `chat.completion.chunk` (or `text_completion`) JSON.

    `raw` is its JSON text as it will be sent, without `data: `; `body` the same, parsed on first use. A chunk made
    from `body` writes `raw` on first use. `usage` is set on the chunk that carries it (usually the last, whose
    `choices` is empty).
    """

    __slots__ = ("_body", "_raw", "usage")

    def __init__(
        self, *, raw: bytes | None = None, body: dict[str, Any] | None = None, usage: Usage | None = None
    ) -> None:
        self._raw = raw
        self._body = body
        self.usage = usage

    @property
    def raw(self) -> bytes:
        if self._raw is None:
            self._raw = orjson.dumps(self._body)
        return self._raw

    @property
    def body(self) -> dict[str, Any]:
        if self._body is None:
            body: dict[str, Any] = orjson.loads(self._raw or b"{}")
            self._body = body
        return self._body

    @property
    def chunks(self) -> list[Chunk]:
        """As of a `Run`."""
        return [self]

    @property
    def whole(self) -> Chunk:
        return self


class Shape:
    """What events have in common that differ in their words alone: their JSON text before the words and behind."""

    __slots__ = ("head", "tail")

    def __init__(self, head: bytes, tail: bytes) -> None:
        self.head = head
        self.tail = tail


class Run:
    """Several chunks of one `shape`, one after the other. `lines` are their words, those of each on a line of their
    own, as they stand between the quotes of a JSON string. They are all that such a chunk says: a delta's `content`."""

    __slots__ = ("lines", "shape")
    usage: Usage | None = None

    def __init__(self, shape: Shape, lines: bytes) -> None:
        self.shape = shape
        self.lines = lines

    @property
    def chunks(self) -> list[Chunk]:
        return [Chunk(raw=self.shape.head + words + self.shape.tail) for words in self.lines.split(b"\n")]

    @property
    def number(self) -> int:
        return self.lines.count(b"\n") + 1

    @property
    def is_silent(self) -> bool:
        """Whether there is a chunk without words."""
        return b"" in self.lines.split(b"\n")

    @property
    def whole(self) -> Chunk:
        """One chunk that says all of the words."""
        return Chunk(raw=self.shape.head + self.lines.replace(b"\n", b"") + self.shape.tail)


Burst = list[Chunk | Run]
"""What came of a stream at once, in its order; never empty. Whatever a stream passes on its way is asked to do its work
once for a burst and not once for an event."""


def each(burst: Burst) -> list[Chunk]:
    return [chunk for piece in burst for chunk in piece.chunks]


class Inference(Protocol):
    """One vendor with one address and one key. All methods raise only `providers.errors.ProviderError`.

    A stream always asks the vendor for usage. Errors before the first chunk are raised by the first `anext`, so a
    caller can still answer with a status, and later ones when all that came before them was given out; closing the
    iterator cancels the vendor's call. A stream that the vendor ends without a `finish_reason` raises `Unavailable`.
    """

    @property
    def name(self) -> str: ...

    async def chat(self, request: ChatRequest) -> Completion: ...

    def stream_chat(self, request: ChatRequest) -> AsyncIterator[Burst]: ...

    async def complete(self, request: TextRequest) -> Completion: ...

    def stream_complete(self, request: TextRequest) -> AsyncIterator[Burst]: ...

    async def close(self) -> None: ...
