"""Streams that are asked for on purpose, with bodies that a model can answer: fuzzing seldom gets past a refusal."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from server.contract.documents import STREAM, Answer
from server.contract.prompts import LLAMA, OPENAI, Make

CHANCE = 0.35
"""How often a request has each member that it could do without."""

RESPONSE_TOOL = {
    "type": "function",
    "name": "find_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Bodies of one kind: `always` are members of every one, `often` of some."""

    model: str
    always: tuple[str, ...]
    often: tuple[str, ...]
    makers: Mapping[str, Make]

    def body(self, random: Random, model: str) -> dict[str, Any]:
        names = [*self.always, *(name for name in self.often if random.random() < CHANCE)]
        return {self.model: model, **{name: self.makers[name](random) for name in names}, "stream": True}


USAGE: Mapping[str, Make] = {"stream_options": lambda random: {"include_usage": random.random() < 0.7}}
RESPONSES: Mapping[str, Make] = {
    "input": lambda random: random.choice(["Hello", "Call find_weather, please.", [{"role": "user", "content": "Hi"}]]),
    "instructions": lambda random: "Be brief.",
    "max_output_tokens": lambda random: random.randint(16, 60),
    "tools": lambda random: [RESPONSE_TOOL],
    "temperature": lambda random: 0.5,
}
CHAT = Shape(
    "model", ("messages",), ("n", "max_tokens", "stop", "tools", "stream_options"), {**OPENAI, **USAGE}
)  # fmt: skip
TEXT = Shape("model", ("prompt",), ("n", "max_tokens", "stop", "stream_options"), {**OPENAI, **USAGE})
LLAMA_CHAT = Shape("model_id", ("messages",), ("sampling_params", "tools", "logprobs"), LLAMA)
LLAMA_TEXT = Shape("model_id", ("content",), ("sampling_params", "logprobs"), LLAMA)
RESPONSE = Shape("model", ("input",), ("instructions", "max_output_tokens", "tools", "temperature"), RESPONSES)
DEPRECATED_RESPONSE = Shape("model", ("input",), ("instructions", "tools", "temperature"), RESPONSES)

SHAPES: Mapping[tuple[str, str], Shape] = {
    ("maniac", "chat_completions_create"): CHAT,
    ("ipop", "chat_completions_create"): CHAT,
    ("ipop", "responses_create"): RESPONSE,
    ("llama_stack", "chat_completions_create"): LLAMA_CHAT,
    ("llama_stack", "completions_create"): LLAMA_TEXT,
    ("llama_stack_deprecated", "chat_completions_create"): CHAT,
    ("llama_stack_deprecated", "completions_create"): TEXT,
    ("llama_stack_deprecated", "responses_create"): DEPRECATED_RESPONSE,
}

RESUMED = ("ipop", "responses_get")
RESUMPTIONS = 4
NAMED = re.compile(r'"id":"(?P<id>resp_[^"]+)"')


@dataclass(frozen=True, slots=True)
class Streamed:
    """A stream that was asked for, and what came."""

    asked: Mapping[str, Any]
    answer: Answer
    reproduce: str

    @property
    def refusal(self) -> str:
        """What there is instead of a stream; empty when it is one."""
        if self.answer.status == 200 and self.answer.media_type == STREAM:
            return ""
        text = self.answer.content[:300].decode("utf-8", "replace")
        return f"a stream was asked for as its API has it, and {self.answer.status} came: {text}"


@dataclass(frozen=True, slots=True)
class Asking:
    """`model` is a chat model that the server has; `number` of streams for each operation."""

    model: str
    seed: int
    number: int


def ask(client: httpx.Client, api: str, operation_id: str, path: str, options: Asking) -> Iterator[Streamed]:
    """As many streams of an operation as `options` say; none where no body is known."""
    random = Random(f"{options.seed} {api} {operation_id}")  # noqa: S311 - to be repeated
    if (api, operation_id) == RESUMED:
        for _ in range(min(options.number, RESUMPTIONS)):
            yield _resume(client, path, RESPONSE.body(random, options.model), random)
    shape = SHAPES.get((api, operation_id))
    for _ in range(options.number if shape is not None else 0):
        assert shape is not None
        body = shape.body(random, options.model)
        answer = client.post(path.lstrip("/"), json=body)
        yield Streamed(body, _told(answer, path, body), curl(str(answer.request.url), body))


def _resume(client: httpx.Client, path: str, body: Mapping[str, Any], random: Random) -> Streamed:
    """A response made in the background, read again from some event on."""
    made = client.post(path.partition("/{")[0].lstrip("/"), json={**body, "background": True})
    found = NAMED.search(made.text)
    after = random.choice([None, 0, 2])
    query = {"stream": "true", **({} if after is None else {"starting_after": str(after)})}
    answer = client.get(path.format(response_id=found["id"] if found else "none").lstrip("/"), params=query)
    return Streamed(query, _told(answer, path), f"curl -N -H 'Authorization: Bearer ...' {answer.request.url}")


def _told(answer: httpx.Response, path: str, sent: Any = ()) -> Answer:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.request.method, path, answer.status_code, headers, answer.content, sent)


def curl(url: str, body: Mapping[str, Any]) -> str:
    """A command for a shell, without the key."""
    data = shlex.quote(json.dumps(body))
    return f"curl -N -H 'Authorization: Bearer ...' -H 'Content-Type: application/json' -d {data} {shlex.quote(url)}"
