"""Any server that speaks OpenAI's chat API: OpenAI, OpenRouter, vLLM, Ollama, DeepSeek, xAI, Gemini's endpoint, ..."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from providers.errors import Refused
from providers.http import HttpClient
from providers.inference.interface import ChatRequest, Chunk, Completion, TextRequest, Usage
from providers.vendor import Vendor
from providers.vendor_api import VendorApi

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenAICompatible:
    """Chunks are relayed as they came. `http` may be shared and is not closed here."""

    vendor: Vendor
    http: HttpClient
    clock: Callable[[], float] = time.time

    @property
    def name(self) -> str:
        return self.vendor.name

    async def chat(self, request: ChatRequest) -> Completion:
        return await self._whole("/chat/completions", self._chat_body(request))

    def stream_chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        return self._relay("/chat/completions", self._chat_body(request))

    async def complete(self, request: TextRequest) -> Completion:
        return await self._whole("/completions", self._text_body(request))

    def stream_complete(self, request: TextRequest) -> AsyncGenerator[Chunk, None]:
        return self._relay("/completions", self._text_body(request))

    async def check_key(self) -> None:
        """Lists the models, which costs nothing and needs a key."""
        await self._api().get("/models")

    async def close(self) -> None:
        """The connections are the owner's of `http`."""

    def _api(self) -> VendorApi:
        key = self.vendor.api_key
        return VendorApi(self.vendor, self.http, {"authorization": f"Bearer {key}"} if key else {}, self.clock)

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

    async def _whole(self, path: str, asked: Json) -> Completion:
        api = self._api()
        body = await api.post(path, asked)
        choices = _choices(body, api)
        if not choices:
            raise api.broken("no choices")
        for choice in choices:
            _rename_reasoning(choice.get("message"))
        return Completion(body, usage_of(body.get("usage")))

    async def _relay(self, path: str, body: Json) -> AsyncGenerator[Chunk, None]:
        api, finished = self._api(), False
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        async with aclosing(api.stream(path, asked)) as events:
            async for raw, parsed in events:
                chunk = _chunk(raw, parsed, _choices(parsed, api))
                finished = finished or any(choice.get("finish_reason") for choice in parsed["choices"])
                yield chunk
        if not finished:
            raise api.cut()


def usage_of(usage: Any) -> Usage | None:
    """Reads OpenAI's `usage` and its dialects: DeepSeek's cache hits, and reasoning that is only in the total (xAI,
    Gemini) and here belongs to the completion."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    prompt_details = usage.get("prompt_tokens_details")
    reasoning = _count(usage.get("completion_tokens_details"), "reasoning_tokens")
    unnamed = max(0, _count(usage, "total_tokens") - prompt - completion)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion + unnamed,
        cached_tokens=_count(prompt_details, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens"),
        cache_write_tokens=_count(prompt_details, "cache_write_tokens"),
        reasoning_tokens=reasoning or unnamed,
    )


def _choices(body: Json, api: VendorApi) -> list[Json]:
    choices = body.setdefault("choices", [])
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        raise api.broken("choices that are none")
    return choices


def _chunk(raw: bytes, parsed: Json, choices: list[Json]) -> Chunk:
    """Written anew only where the vendor's words are not OpenAI's, or its JSON would not fit on one line."""
    changed = b"choices" not in raw or b"\n" in raw
    final = not choices
    for choice in choices:
        changed = _rename_reasoning(choice.get("delta")) or changed
        final = final or bool(choice.get("finish_reason"))
    usage = usage_of(parsed.get("usage")) if final else None
    return Chunk(raw=None if changed else raw, body=parsed, usage=usage)


def _rename_reasoning(message: Any) -> bool:
    """`reasoning` (Ollama, OpenRouter, vLLM) is `reasoning_content` here; says whether it was there."""
    if not isinstance(message, dict) or not isinstance(message.get("reasoning"), str):
        return False
    message.setdefault("reasoning_content", message.pop("reasoning"))
    return True


def _count(counts: Mapping[str, Any] | Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, Mapping) else None
    return value if isinstance(value, int) else 0
