from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from handlers.core.errors import Invalid
from handlers.wire.llama.grammar import grammar_text

_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "list": "array",
    "array": "array",
    "dict": "object",
    "object": "object",
}
"""Names of types that clients write, Python's among them, in JSON Schema's words."""

_QUERY = {"query": {"param_type": "string", "description": "What to look for", "required": True}}
_BUILTIN: dict[str, tuple[str, dict[str, Any]]] = {
    "brave_search": ("Searches the web", _QUERY),
    "wolfram_alpha": ("Answers questions of computation and fact", _QUERY),
    "photogen": ("Makes an image", _QUERY),
    "code_interpreter": ("Runs Python code", {"code": {"param_type": "string", "description": "Code to run"}}),
}
"""Tools that Llama models know by name, so that requests may leave their definition out."""


def chat_options(data: Mapping[str, Any]) -> dict[str, Any]:
    """Everything of a chat request but model and messages.

    `tool_prompt_format` says how tools are written into the prompt of a bare Llama model; providers that take tools
    as such have nothing to format.
    """
    options = sampling_options(data) | format_options(data)
    if data.get("tools"):
        options["tools"] = [_tool(tool) for tool in data["tools"]]
        if data.get("tool_choice"):
            options["tool_choice"] = data["tool_choice"]
    elif data.get("tool_choice") == "required":
        raise Invalid("tool_choice is required, but there are no tools", param="tool_choice")
    if data.get("logprobs") is not None:
        options |= {"logprobs": True, "top_logprobs": data["logprobs"].get("top_k") or 0}
    return options


def text_options(data: Mapping[str, Any]) -> dict[str, Any]:
    options = sampling_options(data) | format_options(data)
    if data.get("logprobs") is not None:
        options["logprobs"] = data["logprobs"].get("top_k") or 0
    return options


def sampling_options(data: Mapping[str, Any]) -> dict[str, Any]:
    """`max_tokens` 0 and `repetition_penalty` 1 are the document's words for no limit and no penalty."""
    given = data.get("sampling_params") or {}
    strategy = given.get("strategy") or {}
    options: dict[str, Any] = {}
    match strategy.get("type"):
        case "greedy":
            options["temperature"] = 0
        case "top_p":
            options["top_p"] = 0.95 if strategy.get("top_p") is None else strategy["top_p"]
            if strategy.get("temperature") is not None:
                options["temperature"] = strategy["temperature"]
        case "top_k":
            options["top_k"] = strategy["top_k"]
    if given.get("max_tokens"):
        options["max_tokens"] = given["max_tokens"]
    if given.get("repetition_penalty") not in (None, 1.0):
        options["repetition_penalty"] = given["repetition_penalty"]
    return options


def format_options(data: Mapping[str, Any]) -> dict[str, Any]:
    """Their `json_schema` is the schema itself; OpenAI's wraps it under a name. A grammar is said as Fireworks has it,
    since OpenAI has no word for it."""
    wanted = data.get("response_format")
    if not wanted:
        return {}
    if wanted.get("type") == "grammar":
        return {"response_format": {"type": "grammar", "grammar": grammar_text(wanted["bnf"])}}
    schema = wanted["json_schema"]
    title = schema.get("title")
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", title)[:64] if isinstance(title, str) and title else "answer"
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    name = tool["tool_name"]
    description, parameters = _BUILTIN.get(name, ("", {}))
    parameters = tool.get("parameters") or parameters
    function: dict[str, Any] = {
        "name": name,
        "parameters": {
            "type": "object",
            "properties": {key: _property(parameter) for key, parameter in parameters.items()},
            "required": [key for key, parameter in parameters.items() if parameter.get("required") is not False],
        },
    }
    description = tool.get("description") or description
    return {"type": "function", "function": function | ({"description": description} if description else {})}


def _property(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """A type that is none of JSON Schema's (`list[str]`) is told to the model in words."""
    written = parameter["param_type"]
    kind = _TYPES.get(written.lower())
    described = [parameter.get("description"), None if kind else f"(type: {written})"]
    content: dict[str, Any] = {"type": kind} if kind else {}
    if any(described):
        content["description"] = " ".join(text for text in described if text)
    if parameter.get("default") is not None:
        content["default"] = parameter["default"]
    return content
