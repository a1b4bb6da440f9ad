"""What the journeys need to know of each API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

USER = [{"role": "user", "content": "Tell me about concord."}]
LONG = [{"role": "user", "content": "word " * 400}]
"""What the simulator talks about for minutes when it is slow."""


@dataclass(frozen=True)
class Dialect:
    """`chat` makes a chat body, `text` reads the whole answer's text, `deltas` the texts of a stream's events."""

    api: str
    prefix: str
    chat_path: str
    model_field: str
    text: Callable[[Any], str]
    deltas: Callable[[list[Any]], list[str]]
    ends_with_done: bool
    schema: dict[str, Any]

    @property
    def url(self) -> str:
        return self.prefix + self.chat_path

    def chat(self, model: str = "simulator/chat", **more: Any) -> dict[str, Any]:
        return {self.model_field: model, "messages": USER, **more}

    def is_end(self, text: str) -> bool:
        """Whether an event tells its reader that it is the last."""
        if self.ends_with_done:
            return text == "[DONE]"
        return '"finish_reason":"' in text or '"event_type":"complete"' in text

    def stream(self, client: httpx.Client, **more: Any) -> list[str]:
        """The `data:` payloads of a streamed chat, as text."""
        with client.stream("POST", self.url, json=self.chat(stream=True, **more)) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["x-accel-buffering"] == "no"
            return list(payloads(response.iter_lines()))


def payloads(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip()


def events(texts: list[str]) -> list[Any]:
    return [orjson.loads(text) for text in texts if text != "[DONE]"]


def openai_text(body: Any) -> str:
    text: str = body["choices"][0]["message"]["content"]
    return text


def openai_deltas(chunks: list[Any]) -> list[str]:
    return [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]


def llama_text(body: Any) -> str:
    text: str = body["completion_message"]["content"]
    return text


def llama_deltas(chunks: list[Any]) -> list[str]:
    return [chunk["event"]["delta"].get("text", "") for chunk in chunks]


def fields(**types: str) -> dict[str, Any]:
    return {"type": "object", "required": list(types), "properties": {name: {"type": t} for name, t in types.items()}}


MANIAC_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": fields(code="string", message="string")},
}
IPOP_ERROR = fields(error="string", code="string", error_type="string", request_id="string", retryable="boolean")
FLAT_ERROR = fields(status="integer", title="string", detail="string")
LLAMA_ERROR = {
    "anyOf": [
        fields(detail="string"),
        {"type": "object", "required": ["error"], "properties": {"error": {"required": ["detail"]}}},
    ]
}

MANIAC = Dialect(
    "maniac", "/maniac", "/v1/chat/completions", "model", openai_text, openai_deltas, True, MANIAC_ERROR
)  # fmt: skip
IPOP = Dialect("ipop", "/ipop/v1", "/chat/completions", "model", openai_text, openai_deltas, True, IPOP_ERROR)
LLAMA = Dialect(
    "llama_stack", "/llama-stack", "/v1/inference/chat-completion", "model_id", llama_text, llama_deltas, False,
    LLAMA_ERROR,
)  # fmt: skip
DEPRECATED = Dialect(
    "llama_stack_deprecated", "/llama-stack-deprecated", "/v1/openai/v1/chat/completions", "model", openai_text,
    openai_deltas, False, FLAT_ERROR,
)  # fmt: skip

DIALECTS = (MANIAC, IPOP, LLAMA, DEPRECATED)
