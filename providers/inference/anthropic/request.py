"""OpenAI's chat request as a Messages request.

What Anthropic has no word for is refused, with these exceptions: `store` and `metadata` ask for records, which the
core keeps; `prompt_cache_key` and a picture's `detail` are hints; a message's `name` is a label.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from providers.errors import Refused
from providers.inference.anthropic.messages import blocks_of_system, turns_of
from providers.inference.anthropic.reasoning import reasoning_of
from providers.inference.interface import ChatRequest, TextRequest

Json = dict[str, Any]


def body_of(request: ChatRequest, max_tokens: int) -> Json:
    """`max_tokens` is for a request that names none.

    Raises `Refused`, naming the option, for what Anthropic cannot do.
    """
    try:
        return _translated(request, max_tokens)
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused("the request is not in the shape of OpenAI's chat API") from error


def _translated(request: ChatRequest, max_tokens: int) -> Json:
    options = {name: value for name, value in request.options.items() if value is not None}
    limit = options.get("max_completion_tokens", options.get("max_tokens", max_tokens))
    body: Json = {"model": request.model, "max_tokens": limit}
    system = blocks_of_system(request.messages)
    if system:
        body["system"] = system
    body["messages"] = turns_of(request.messages)
    _add_tools(body, options)
    _merge(body, reasoning_of(request.model, options, limit))
    for name, value in options.items():
        if name in _TRANSLATED:
            _merge(body, _TRANSLATED[name](value))
        elif name in _REFUSED_UNLESS:
            _refuse_unless(name, value)
        elif name not in _READ_ELSEWHERE:
            _merge(body, {name: value})
    return body


def chat_of_text(request: TextRequest) -> ChatRequest:
    """A text completion as a chat of one turn. Raises `Refused` for what a chat cannot do."""
    options = dict(request.options)
    if options.pop("echo", None):
        raise Refused("this model cannot echo its prompt", param="echo")
    for name in ("suffix", "logprobs"):
        if options.pop(name, None) is not None:
            raise Refused(f"this model does not take {name}", param=name)
    if options.pop("best_of", None) not in (None, 1):
        raise Refused("this model answers once", param="best_of")
    return ChatRequest(request.model, [{"role": "user", "content": request.prompt}], options)


def _merge(body: Json, addition: Mapping[str, Any]) -> None:
    """`output_config` and `metadata` may get members from several options."""
    for name, value in addition.items():
        both = isinstance(value, dict) and isinstance(body.get(name), dict)
        body[name] = {**body[name], **value} if both else value


def _add_tools(body: Json, options: Mapping[str, Any]) -> None:
    tools = [_tool(tool) for tool in options.get("tools", [])]
    choice = options.get("tool_choice", "auto")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools") or {}
        names = [_function_of(tool, "tool_choice")["name"] for tool in allowed.get("tools") or []]
        tools = [tool for tool in tools if tool.get("name") in names]
        choice = allowed.get("mode", "auto")
    if not tools:
        if choice not in ("auto", "none"):
            raise Refused("tool_choice asks for a tool, but there are none", param="tool_choice")
        return
    body["tools"] = tools
    body["tool_choice"] = _tool_choice(choice)
    if options.get("parallel_tool_calls") is False and choice != "none":
        body["tool_choice"]["disable_parallel_tool_use"] = True


def _tool(tool: Any) -> Json:
    """Tools that are not functions are the vendor's own and passed on."""
    if not isinstance(tool, dict):
        raise Refused("every tool must be an object", param="tools")
    if tool.get("type") != "function":
        return tool
    function = _function_of(tool, "tools")
    made = {"name": function["name"], "input_schema": function.get("parameters") or _NO_PARAMETERS}
    for name in ("description", "strict"):
        if function.get(name):
            made[name] = function[name]
    cache_control = tool.get("cache_control") or function.get("cache_control")
    return {**made, "cache_control": cache_control} if cache_control else made


def _tool_choice(choice: Any) -> Json:
    if isinstance(choice, str) and choice in _CHOICES:
        return {"type": _CHOICES[choice]}
    return {"type": "tool", "name": _function_of(choice, "tool_choice")["name"]}


def _function_of(tool: Any, param: str) -> Json:
    function = tool.get("function") if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Refused(f"{param} must name functions", param=param)
    return function


def _response_format(wanted: Any) -> Json:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "text":
        return {}
    if kind != "json_schema":
        raise Refused("this model writes JSON by a schema only: use json_schema", param="response_format")
    schema = (wanted.get("json_schema") or {}).get("schema", {})
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def _service_tier(tier: Any) -> Json:
    if tier not in _TIERS:
        raise Refused(f"this model has no service tier {tier!r}", param="service_tier")
    return {"service_tier": _TIERS[tier]}


def _refuse_unless(name: str, value: Any) -> None:
    if value not in _REFUSED_UNLESS[name]:
        raise Refused(f"this model does not take {name}", param=name)


_CHOICES = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
_NO_PARAMETERS = {"type": "object", "properties": {}}
_TIERS = {
    "auto": "auto",
    "priority": "auto",
    "default": "standard_only",
    "standard": "standard_only",
    "standard_only": "standard_only",
}

_TRANSLATED: dict[str, Callable[[Any], Json]] = {
    "stop": lambda stop: {"stop_sequences": [stop] if isinstance(stop, str) else stop},
    "response_format": _response_format,
    "service_tier": _service_tier,
    "user": lambda user: {"metadata": {"user_id": user}},
    "safety_identifier": lambda user: {"metadata": {"user_id": user}},
}

_READ_ELSEWHERE = frozenset(
    {
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning_effort",
        "reasoning",
        "store",
        "metadata",
        "prompt_cache_key",
    }
)

_REFUSED_UNLESS: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "modalities": (["text"],),
    **dict.fromkeys(
        ("seed", "audio", "prediction", "web_search_options", "verbosity", "functions", "function_call"), ()
    ),
}
"""The values that ask for nothing, by option."""
