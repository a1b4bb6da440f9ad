"""Members of the bodies that ask a model, at random from a seed: only what a model can do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

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
