"""Anthropic's stream of events as OpenAI's stream of chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from providers.inference.anthropic.answer import finish_reason_of, usage_body, usage_of
from providers.inference.belief import is_id
from providers.inference.interface import Chunk
from providers.vendor_api import VendorApi

Json = dict[str, Any]


class StreamTranslation:
    """One answer on its way. `finished` says whether the vendor named a reason to stop."""

    def __init__(self, created: int, model: str) -> None:
        self._head: Json = {"id": None, "object": "chat.completion.chunk", "created": created, "model": model}
        self._usage: Json = {}
        self._blocks: dict[Any, Json] = {}
        self._calls = 0
        self._thoughts = 0
        self.finished = False

    def feed(self, event: Json, api: VendorApi) -> Iterator[Chunk]:
        """The chunks that an event amounts to: none for one of an unknown type, as the API's rules on versions want.

        Raises `BrokenAnswer` for an event without what its type promises.
        """
        handle = _HANDLERS.get(str(event.get("type")))
        if handle is None:
            return
        try:
            deltas = list(handle(self, event))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise api.broken("an event that is not complete") from error
        for delta in deltas:
            yield self._chunk(delta)

    def last(self) -> Chunk | None:
        """The chunk with the usage and no choices; None when the vendor told of none."""
        usage = usage_of(self._usage) if self._usage else None
        if usage is None:
            return None
        return Chunk(body={**self._head, "choices": [], "usage": usage_body(usage)}, usage=usage)

    def _chunk(self, delta: Json) -> Chunk:
        finish_reason = delta.pop("finish_reason", None)
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return Chunk(body={**self._head, "choices": [choice]})

    def _message_start(self, event: Json) -> Iterator[Json]:
        message = event["message"]
        if not is_id(message["id"]):
            raise ValueError("an id that is none")
        self._head["id"] = message["id"]
        self._head["model"] = message.get("model") or self._head["model"]
        self._usage.update(message.get("usage") or {})
        yield {"role": "assistant", "content": ""}

    def _block_start(self, event: Json) -> Iterator[Json]:
        block = dict(event["content_block"])
        self._blocks[event["index"]] = block
        if block["type"] == "text" and block.get("text"):
            yield {"content": block["text"]}
        elif block["type"] == "thinking" and block.get("thinking"):
            yield {"reasoning_content": block["thinking"]}
        elif block["type"] == "tool_use":
            block["number"] = self._calls
            self._calls += 1
            function = {"name": block["name"], "arguments": ""}
            call = {"index": block["number"], "id": block["id"], "type": "function", "function": function}
            yield {"tool_calls": [call]}

    def _block_delta(self, event: Json) -> Iterator[Json]:
        block, delta = self._blocks[event["index"]], event["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            yield {"content": delta["text"]}
        elif kind == "thinking_delta":
            block["thinking"] = block.get("thinking", "") + delta["thinking"]
            yield {"reasoning_content": delta["thinking"]}
        elif kind == "signature_delta":
            block["signature"] = block.get("signature", "") + delta["signature"]
        elif kind == "input_json_delta" and delta["partial_json"]:
            block["written"] = True
            yield _fragment(block["number"], delta["partial_json"])

    def _block_stop(self, event: Json) -> Iterator[Json]:
        block = self._blocks.pop(event["index"])
        if block["type"] == "tool_use" and not block.get("written"):
            yield _fragment(block["number"], orjson.dumps(block.get("input") or {}).decode())
        elif block["type"] in ("thinking", "redacted_thinking"):
            yield {"thinking_blocks": [{"index": self._thoughts, **block}]}
            self._thoughts += 1

    def _message_delta(self, event: Json) -> Iterator[Json]:
        self._usage.update({name: count for name, count in (event.get("usage") or {}).items() if count is not None})
        stop_reason = event["delta"].get("stop_reason")
        if stop_reason:
            self.finished = True
            yield {"finish_reason": finish_reason_of(stop_reason)}


def _fragment(number: int, arguments: str) -> Json:
    return {"tool_calls": [{"index": number, "function": {"arguments": arguments}}]}


_HANDLERS: dict[str, Callable[[StreamTranslation, Json], Iterator[Json]]] = {
    "message_start": StreamTranslation._message_start,
    "content_block_start": StreamTranslation._block_start,
    "content_block_delta": StreamTranslation._block_delta,
    "content_block_stop": StreamTranslation._block_stop,
    "message_delta": StreamTranslation._message_delta,
}
