"""Any server that speaks OpenAI's chat API: OpenAI, OpenRouter, vLLM, Ollama, DeepSeek, xAI, Gemini's endpoint, ..."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from providers.errors import Refused
from providers.http import HttpClient
from providers.inference.interface import Burst, ChatRequest, Completion, TextRequest
from providers.inference.openai_answer import Part, head, mend, usage_of
from providers.inference.openai_stream import Reading
from providers.vendor import Vendor, bearer
from providers.vendor_api import VendorApi

Json = dict[str, Any]


@dataclass(slots=True)
class OpenAICompatible:
    """Chunks are relayed as they came. `http` may be shared and is not closed here. `new_id` is for answers that have
    none."""

    vendor: Vendor
    http: HttpClient
    clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: f"chatcmpl-{token_hex(12)}"
    _api: VendorApi = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._api = VendorApi(self.vendor, self.http, bearer(self.vendor), self.clock)

    @property
    def name(self) -> str:
        return self.vendor.name

    async def chat(self, request: ChatRequest) -> Completion:
        return self._completion(await self._api.post("/chat/completions", self._chat_body(request)), "message")

    def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Burst, None]:
        return self._relay("/chat/completions", self._chat_body(request), "delta")

    async def complete(self, request: TextRequest) -> Completion:
        return self._completion(await self._api.post("/completions", self._text_body(request)), "text")

    def stream_complete(self, request: TextRequest) -> AsyncGenerator[Burst, None]:
        return self._relay("/completions", self._text_body(request), "text")

    async def check_key(self) -> None:
        """Lists the models, which costs nothing and needs a key."""
        await self._api.get("/models")

    async def close(self) -> None:
        """The connections are the owner's of `http`."""

    def _chat_body(self, request: ChatRequest) -> Json:
        return {"model": request.model, "messages": list(request.messages), **self._options(request.options)}

    def _text_body(self, request: TextRequest) -> Json:
        return {"model": request.model, "prompt": request.prompt, **self._options(request.options)}

    def _options(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """With a grammar said as the vendor takes it. Raises `Refused` where it takes none."""
        wanted = options.get("response_format")
        if not isinstance(wanted, dict) or wanted.get("type") != "grammar":
            return options
        said, grammar = {**options}, wanted["grammar"]
        match self.vendor.grammar:
            case None:
                message = f"{self.name} does not write by a grammar"
                raise Refused(message, param="response_format", code="model_does_not_support_grammar")
            case "response_format":
                return said
            case "structured_outputs":
                said["structured_outputs"] = {"grammar": grammar}
            case parameter:
                said[parameter] = grammar
        del said["response_format"]
        return said

    def _completion(self, body: Json, part: Part) -> Completion:
        mend(body, part, self._api)
        if not body["choices"]:
            raise self._api.broken("no choices")
        head(body, self.new_id, self.clock)
        return Completion(body, usage_of(body.get("usage")))

    async def _relay(self, path: str, body: Json, part: Part) -> AsyncGenerator[Burst, None]:
        api = self._api
        reading = Reading(api, part, self.new_id, self.clock)
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with aclosing(api.stream(path, asked)) as portions:
            async for events in portions:
                if burst := reading.burst(events):
                    yield burst
                if reading.fault is not None:
                    raise reading.fault
        if not reading.finished:
            raise api.cut()
