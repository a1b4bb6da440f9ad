"""Requests for the operations that ask a model: whatever their document allows, at random from a seed.

Tame ones hold only what a model can do; wild ones hold anything, in all or in some of their fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any

import orjson

from codegen.pointer import resolve
from server.inspect import GENERATED, operations
from tests.unit.codegen.instances import Instances

MODEL = "simulator/chat"
PNG = "iVBORw0KGgo="
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
PARTS = [
    [],
    [{"type": "text", "text": "What is this?"}],
    [{"type": "text", "text": ""}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
]
TEXTS = ["Hello", "", "Call find_weather, please.", "a\u0000b \u202e \U0001f600 e\u0301", "x " * 300]
LLAMA_PARTS = [
    {"type": "text", "text": "What is this?"},
    [{"type": "text", "text": "and this?"}, {"type": "image", "image": {"data": PNG}}],
]

Make = Callable[[Random], Any]


def openai_messages(random: Random) -> list[dict[str, Any]]:
    user = {"role": "user", "content": random.choice([*TEXTS, *PARTS])}
    call = {"id": "call_1", "type": "function", "function": {"name": "find_weather", "arguments": '{"city":"Oslo"}'}}
    turns: list[list[dict[str, Any]]] = [
        [user],
        [{"role": "system", "content": "Be brief."}, user],
        [{"role": "developer", "content": "Be brief."}, user, {"role": "assistant", "content": "Yes?"}, user],
        [
            user,
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": random.choice(TEXTS)},
        ],
    ]
    return random.choice(turns)


def llama_messages(random: Random) -> list[dict[str, Any]]:
    user = {"role": "user", "content": random.choice([*TEXTS, *LLAMA_PARTS])}
    call = {
        "call_id": "c1",
        "tool_name": random.choice(["find_weather", "brave_search"]),
        "arguments": {"n": [1, None]},
    }
    turns: list[list[dict[str, Any]]] = [
        [user],
        [{"role": "system", "content": "Be brief."}, {**user, "context": random.choice(["It rains.", None])}],
        [
            user,
            {"role": "assistant", "content": "", "stop_reason": "end_of_message", "tool_calls": [call]},
            {"role": "tool", "call_id": "c1", "tool_name": "find_weather", "content": random.choice(TEXTS)},
        ],
    ]
    return random.choice(turns)


def openai_tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": PARAMETERS}}


def openai_format(random: Random) -> dict[str, Any]:
    schema = {"name": "weather", "schema": {**PARAMETERS, "required": ["city"]}}
    return random.choice([{"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": schema}])


def llama_tool(name: str) -> dict[str, Any]:
    return {"tool_name": name, "parameters": {"city": {"param_type": "str", "required": True}}}


def sampling(random: Random) -> dict[str, Any]:
    strategy = random.choice([{"type": "greedy"}, {"type": "top_p", "temperature": 0.5, "top_p": 0.9}])
    return {"strategy": strategy, "max_tokens": random.choice([0, 5, 40]), "repetition_penalty": 1.0}


OPENAI: Mapping[str, Make] = {
    "messages": openai_messages,
    "prompt": lambda random: random.choice([*TEXTS, [*TEXTS]]),
    "models": lambda random: [MODEL],
    "n": lambda random: random.randint(1, 3),
    "best_of": lambda random: 3,
    "max_tokens": lambda random: random.randint(1, 60),
    "max_completion_tokens": lambda random: random.randint(1, 60),
    "top_logprobs": lambda random: random.randint(0, 3),
    "stop": lambda random: random.choice([" is", ["answer", " to"], []]),
    "modalities": lambda random: ["text"],
    "tools": lambda random: [openai_tool("find_weather"), openai_tool("find_time")],
    "tool_choice": lambda random: random.choice(["none", "auto"]),
    "functions": lambda random: [openai_tool("find_place")["function"]],
    "function_call": lambda random: "auto",
    "response_format": openai_format,
    "metadata": lambda random: {"session_id": "s1"},
}
LLAMA: Mapping[str, Make] = {
    "messages": llama_messages,
    "content": lambda random: random.choice([*TEXTS, *LLAMA_PARTS[:1]]),
    "sampling_params": sampling,
    "tools": lambda random: [llama_tool("find_weather"), llama_tool("brave_search")],
    "tool_choice": lambda random: "auto",
    "logprobs": lambda random: {"top_k": random.randint(0, 3)},
    "response_format": lambda random: {"type": "json_schema", "json_schema": PARAMETERS},
}
TAME = {"maniac": OPENAI, "ipop": OPENAI, "llama_stack": LLAMA, "llama_stack_deprecated": OPENAI}


class Requests:
    """Bodies for one operation."""

    def __init__(self, api: str, operation_id: str, seed: int) -> None:
        document = _document(api)
        operation = next(row for row in operations(api) if row.operation_id == operation_id)
        self.path = operation.path
        self._schema = resolve(document, operation.body[0].schema or "")
        self._instances = Instances(document, seed)
        self._random = Random(seed)
        self._tame = TAME[api]
        self._model_field = "model_id" if api == "llama_stack" else "model"

    def tame(self) -> dict[str, Any]:
        return self._body(1.0)

    def wild(self) -> dict[str, Any]:
        return self._body(self._random.choice([0.0, 0.8]))

    def _body(self, share: float) -> dict[str, Any]:
        body: dict[str, Any] = self._instances.make(self._schema)
        for name in body.keys() & self._tame.keys():
            if self._random.random() < share:
                body[name] = self._tame[name](self._random)
        return {**body, self._model_field: MODEL}


@cache
def _document(api: str) -> Any:
    return orjson.loads((GENERATED / api / "openapi.json").read_bytes())
