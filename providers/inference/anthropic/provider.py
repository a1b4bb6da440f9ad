"""The Messages API (platform.claude.com, version 2023-06-01) as an `Inference`."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from providers.errors import ProviderError
from providers.http import HttpClient
from providers.inference.anthropic.answer import completion_of, text_body, text_chunk
from providers.inference.anthropic.request import body_of, chat_of_text
from providers.inference.anthropic.stream import StreamTranslation
from providers.inference.interface import Burst, ChatRequest, Completion, TextRequest, each
from providers.vendor import Vendor
from providers.vendor_api import VendorApi

VERSION = "2023-06-01"


@dataclass(slots=True)
class Anthropic:
    """`vendor.base_url` is `https://api.anthropic.com`, with or without `/v1`. `http` may be shared and is not closed
    here. `max_tokens`, which Anthropic demands, is what goes where the caller names none: all models since Claude 4
    can write as many."""

    vendor: Vendor
    http: HttpClient
    clock: Callable[[], float] = time.time
    max_tokens: int = 32_000
    _api: VendorApi = field(init=False, repr=False, compare=False)
    _base: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        headers = {"anthropic-version": VERSION}
        if self.vendor.api_key:
            headers["x-api-key"] = self.vendor.api_key
        self._api = VendorApi(self.vendor, self.http, headers, self.clock)
        self._base = "" if self.vendor.base_url.rstrip("/").endswith("/v1") else "/v1"

    @property
    def name(self) -> str:
        return self.vendor.name

    async def chat(self, request: ChatRequest) -> Completion:
        answered = await self._api.post(f"{self._base}/messages", body_of(request, self.max_tokens))
        return completion_of(answered, int(self.clock()), self._api)

    async def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Burst, None]:
        api = self._api
        body: dict[str, Any] = {**body_of(request, self.max_tokens), "stream": True}
        translation = StreamTranslation(int(self.clock()), request.model)
        async with aclosing(api.stream(f"{self._base}/messages", body)) as portions:
            async for events in portions:
                burst, fault = _burst(events, translation, api)
                if burst:
                    yield burst
                if fault is not None:
                    raise fault
        if not translation.finished:
            raise api.cut()
        if last := translation.last():
            yield [last]

    async def complete(self, request: TextRequest) -> Completion:
        completion = await self.chat(chat_of_text(request))
        return Completion(text_body(completion.body), completion.usage)

    async def stream_complete(self, request: TextRequest) -> AsyncGenerator[Burst, None]:
        async with aclosing(self.stream_chat(chat_of_text(request))) as bursts:
            async for burst in bursts:
                if translated := [text for chunk in each(burst) if (text := text_chunk(chunk)) is not None]:
                    yield [*translated]

    async def check_key(self) -> None:
        """Lists the models, which costs nothing and needs a key."""
        await self._api.get(f"{self._base}/models?limit=1")

    async def close(self) -> None:
        """The connections are the owner's of `http`."""


def _burst(events: list[bytes], translation: StreamTranslation, api: VendorApi) -> tuple[Burst, ProviderError | None]:
    """The chunks up to the first event that is a fault, and that."""
    burst: Burst = []
    try:
        for event in events:
            for chunk in translation.feed(api.checked(event), api):
                burst.append(chunk)
    except ProviderError as error:
        return burst, error
    return burst, None
