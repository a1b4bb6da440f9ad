"""Which tools a request makes the simulator call."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.errors import Refused
from providers.inference.simulator.conversation import text_of


@dataclass(frozen=True, slots=True)
class Asked:
    name: str
    parameters: Any


def asked_tools(options: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> list[Asked]:
    """The tools to call, in order.

    `required` calls the tools that the last message names, or else the first; `auto` only those that it names.
    """
    tools = _tools(options)
    mode, allowed = _choice(options.get("tool_choice"), bool(tools))
    if allowed is not None:
        _check_known(allowed, tools)
        tools = {name: tools[name] for name in allowed}
    if mode == "required" and not tools:
        raise Refused("tool_choice asks for a tool, but there are none", param="tool_choice")
    if mode == "none" or not tools:
        return []
    named = _named_in(messages[-1], tools)
    if mode == "required":
        named = named or [next(iter(tools))]
    if options.get("parallel_tool_calls") is False:
        named = named[:1]
    return [Asked(name, tools[name]) for name in named]


def _tools(options: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name."""
    if options.get("functions"):
        raise Refused("functions are not taken: use tools", param="functions")
    tools = {}
    for tool in options.get("tools") or []:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Refused("every tool must be a function with a name", param="tools")
        tools[function["name"]] = function.get("parameters") or {"type": "object", "properties": {}}
    return tools


def _choice(choice: Any, has_tools: bool) -> tuple[str, list[str] | None]:
    """The mode and, where the request narrows them, the names it may choose from."""
    if choice is None:
        return ("auto" if has_tools else "none"), None
    if choice in ("auto", "none", "required"):
        return choice, None
    if choice == "any":
        return "required", None
    if isinstance(choice, dict):
        if choice.get("type") == "allowed_tools":
            return _allowed(choice.get("allowed_tools"))
        return "required", [_name_of(choice)]
    raise Refused(f"tool_choice {choice!r} is not known", param="tool_choice")


def _allowed(allowed: Any) -> tuple[str, list[str]]:
    mode, names = (allowed.get("mode", "auto"), allowed.get("tools")) if isinstance(allowed, dict) else (None, None)
    if mode not in ("auto", "required") or not isinstance(names, list):
        raise Refused("tool_choice.allowed_tools must have a mode and a list of tools", param="tool_choice")
    return mode, [_name_of(tool) for tool in names]


def _name_of(tool: Any) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Refused("tool_choice must name a function", param="tool_choice")
    return str(function["name"])


def _check_known(names: list[str], tools: Mapping[str, Any]) -> None:
    for name in names:
        if name not in tools:
            raise Refused(f"tool_choice names {name!r}, which is not among the tools", param="tool_choice")


def _named_in(message: Mapping[str, Any], tools: Mapping[str, Any]) -> list[str]:
    """The text is read once for all names that are words, and for each of the others."""
    if message.get("role") != "user":
        return []
    text = text_of(message.get("content"))
    words = set(_WORD.findall(text))
    return [name for name in tools if (name in words if _WORD.fullmatch(name) else name in text)]


_WORD = re.compile(r"[\w-]+")
