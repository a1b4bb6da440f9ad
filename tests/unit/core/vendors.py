"""Vendors that do what a test tells them to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from providers.errors import ProviderError
from providers.inference.interface import Burst, ChatRequest, Chunk, Completion, TextRequest, Usage

USAGE = Usage(10, 20, cached_tokens=4)


def spoken(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "chatcmpl-v", "object": "chat.completion", "created": 1, "model": "their-name", "choices": [choice]}


def chunk(delta: str, usage: Usage | None = None) -> Chunk:
    """A chunk as OpenAI writes it when usage was asked for."""
    raw = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"their-name","choices":[%b],"usage":null}'
    return Chunk(raw=raw % delta.encode(), usage=usage)


def piece(text: str) -> str:
    return f'{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}'


STOP = '{"index":0,"delta":{},"finish_reason":"stop"}'


@dataclass
class Vendor:
    """Raises `failure`, or says `body`, or streams `chunks` and then raises `failure_later`. Told to stop before the
    end it raises `failure_closing`."""

    name: str
    failure: ProviderError | None = None
    body: dict[str, Any] = field(default_factory=lambda: spoken("hello"))
    usage: Usage | None = USAGE
    chunks: Sequence[Chunk] = ()
    failure_later: ProviderError | None = None
    failure_closing: ProviderError | None = None
    asked: list[ChatRequest | TextRequest] = field(default_factory=list)
    closed: int = 0

    async def chat(self, request: ChatRequest) -> Completion:
        return self._answer(request)

    async def complete(self, request: TextRequest) -> Completion:
        return self._answer(request)

    def stream_chat(self, request: ChatRequest) -> AsyncIterator[Burst]:
        return self._stream(request)

    def stream_complete(self, request: TextRequest) -> AsyncIterator[Burst]:
        return self._stream(request)

    async def close(self) -> None:
        pass

    def _answer(self, request: ChatRequest | TextRequest) -> Completion:
        self.asked.append(request)
        if self.failure:
            raise self.failure
        return Completion(self.body, self.usage)

    async def _stream(self, request: ChatRequest | TextRequest) -> AsyncIterator[Burst]:
        self.asked.append(request)
        try:
            if self.failure:
                raise self.failure
            for chunk in self.chunks:
                yield [chunk]
            if self.failure_later:
                raise self.failure_later
        except GeneratorExit:
            if self.failure_closing:
                raise self.failure_closing from None
            raise
        finally:
            self.closed += 1
