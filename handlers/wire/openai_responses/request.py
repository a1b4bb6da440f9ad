"""The body that creates a response. An explicit null is the same as nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from handlers.core.call import Call
from handlers.core.errors import Invalid, NotImplementedYet
from handlers.core.responses import ResponseAsk
from handlers.core.responses.response import new_id
from handlers.wire import file_search
from handlers.wire.openai_responses.includes import RESULTS, check_include
from handlers.wire.openai_responses.items import read_items

_PASSED_ON = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_output_tokens": "max_completion_tokens",
    "service_tier": "service_tier",
}
"""Parameters that a chat has, too, and what it calls them."""

_FORMAT = {"name": str, "description": str, "schema": dict, "strict": bool}

_SHOWN = ("metadata", "parallel_tool_calls", "service_tier", "temperature", "text", "top_p")


def read_ask(data: Mapping[str, Any], call: Call) -> ResponseAsk:
    """Raises `Invalid` for what contradicts itself or cannot be obeyed, `NotImplementedYet` for what is not there."""
    given = {name: value for name, value in data.items() if value is not None}
    if "conversation" in given:
        raise NotImplementedYet("conversations are not available on this server", param="conversation")
    check_include(given.get("include"))
    truncation, store = _truncation(given), given.get("store", True)
    search = file_search.read(given.get("tools"), given.get("tool_choice"))
    if search is not None and RESULTS in (given.get("include") or []):
        search = replace(search, shows_results=True)
    shown = {name: given[name] for name in (*_SHOWN, "instructions") if name in given}
    return ResponseAsk(
        model=given.get("model", ""),
        items=read_items(given.get("input"), lambda noun: new_id(noun, call)),
        instructions=_instructions(given.get("instructions"), call),
        options=_options(given),
        previous_response_id=given.get("previous_response_id"),
        store=store,
        truncate=truncation == "auto",
        background=given.get("background", False),
        stream=given.get("stream", False),
        show_reasoning=_shows_reasoning(given),
        file_search=search,
        shown=shown | {"truncation": truncation, "store": store},
    )


def _instructions(given: Any, call: Call) -> list[dict[str, Any]]:
    if isinstance(given, str):
        given = [{"role": "system", "content": given}]
    return read_items(given, lambda noun: new_id(noun, call), "instructions")


def _truncation(given: Mapping[str, Any]) -> str:
    """`auto` or `disabled`, said as such or as the `type` of an object."""
    truncation = given.get("truncation", "disabled")
    kind = truncation.get("type", "disabled") if isinstance(truncation, dict) else truncation
    if kind not in ("auto", "disabled"):
        raise Invalid("truncation must be auto or disabled", param="truncation")
    return str(kind)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    options = {theirs: given[ours] for ours, theirs in _PASSED_ON.items() if ours in given}
    if options.get("service_tier") == "standard":
        options["service_tier"] = "default"
    options |= _text_options(given.get("text") or {}) | _reasoning_options(given.get("reasoning") or {})
    functions = [one for one in enumerate(given.get("tools") or []) if one[1]["type"] != "file_search"]
    tools = [_tool(tool, f"tools[{number}]") for number, tool in functions]
    has_search = len(functions) < len(given.get("tools") or [])
    if "tool_choice" in given and not file_search.is_named(given["tool_choice"]):
        options["tool_choice"] = _tool_choice(given["tool_choice"])
    if tools:
        options["tools"] = tools
        options |= {name: given[name] for name in ("parallel_tool_calls",) if name in given}
    elif not has_search and options.get("tool_choice") in ("auto", "none"):
        del options["tool_choice"]  # vendors refuse it without tools, where it means nothing
    return options


def _text_options(text: Mapping[str, Any]) -> dict[str, Any]:
    _only(text, "text", ("format", "verbosity"))
    options = {"verbosity": text["verbosity"]} if text.get("verbosity") is not None else {}
    wanted = text.get("format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_schema":
        named = {name: wanted[name] for name in _FORMAT if wanted.get(name) is not None}
        _check_format(named)
        options["response_format"] = {"type": kind, "json_schema": {"name": "response", **named}}
    elif kind == "json_object":
        options["response_format"] = {"type": kind}
    elif kind != "text":
        raise Invalid("text.format.type must be text, json_object or json_schema", param="text.format")
    return options


def _check_format(named: Mapping[str, Any]) -> None:
    for name, value in named.items():
        if not isinstance(value, _FORMAT[name]):
            raise Invalid(f"text.format.{name} has the wrong type", param=f"text.format.{name}")


def _reasoning_options(reasoning: Mapping[str, Any]) -> dict[str, Any]:
    _only(reasoning, "reasoning", ("effort", "summary", "generate_summary"))
    return {"reasoning_effort": reasoning["effort"]} if reasoning.get("effort") is not None else {}


def _shows_reasoning(given: Mapping[str, Any]) -> bool:
    """A vendor's reasoning is shown as it comes: there is nobody here to put it shorter."""
    reasoning = given.get("reasoning") or {}
    summary = reasoning.get("summary") or reasoning.get("generate_summary")
    if summary not in (None, "auto", "detailed"):
        raise Invalid("reasoning.summary must be auto or detailed", param="reasoning.summary")
    return summary is not None


def _tool(tool: Mapping[str, Any], where: str) -> dict[str, Any]:
    if tool["type"] != "function":
        raise NotImplementedYet(f"the {tool['type']} tool is not available on this server", param=where)
    if not isinstance(tool.get("name"), str):
        raise Invalid(f"{where}.name is missing", param=where)
    names = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in names if tool.get(name) is not None}}


def _tool_choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function":
        return _named(choice)
    if kind == "allowed_tools" and isinstance(choice.get("tools"), list):
        allowed = {"mode": choice.get("mode", "auto"), "tools": [_named(tool) for tool in choice["tools"]]}
        return {"type": kind, "allowed_tools": allowed}
    raise Invalid("tool_choice must be auto, none, required, a function or allowed_tools", param="tool_choice")


def _named(tool: Any) -> dict[str, Any]:
    if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(tool.get("name"), str):
        raise Invalid("tool_choice must name functions", param="tool_choice")
    return {"type": "function", "function": {"name": tool["name"]}}


def _only(given: Any, param: str, known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known and given[name] is not None:
            raise Invalid(f"{param}.{name} is not supported", param=f"{param}.{name}")
