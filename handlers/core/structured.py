"""Whether an answer fits what was strictly asked for, a schema of its text or of a tool's arguments, and asking for it
once more when it does not.

A text that was cut off by its limit or refused is not held to the schema, nor is one beside tool calls. Schemas that
fetch others or are made of several resources are left to the vendor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jsonschema_rs
import orjson

from handlers.core.asks import AnyAsk, ChatAsk, Message
from handlers.core.errors import Invalid, UpstreamFailed

FAULT_CHARACTERS = 500
_STRICT = frozenset({"response_format", "tools"})
"""Options that may be strict."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an answer must fit: its text, and the arguments of its calls by the tool's name."""

    text: jsonschema_rs.Draft202012Validator | None = None
    arguments: Mapping[str, jsonschema_rs.Draft202012Validator] = field(default_factory=dict)

    def find_fault(self, body: Mapping[str, Any]) -> str | None:
        """What is wrong with the first choice that does not fit; None when all do that have ended."""
        faults = (fault for choice in _ended(body) for fault in self._faults(choice))
        return next((fault for fault in faults if fault), None)

    def _faults(self, choice: Mapping[str, Any]) -> Iterator[str | None]:
        message = choice["message"]
        calls = message.get("tool_calls")
        for call in calls or []:
            function = call.get("function") or {}
            validator = self.arguments.get(str(function.get("name")))
            if validator is not None and (fault := _fault_in(function.get("arguments"), validator)):
                yield f"arguments of {function['name']}: {fault}"
        if self.text is not None and not calls and not message.get("refusal") and choice["finish_reason"] == "stop":
            yield _fault_in(message.get("content"), self.text)


def terms_of(ask: AnyAsk) -> Terms | None:
    """None when nothing is strict. Raises `Invalid` for a strict schema that is none."""
    if not isinstance(ask, ChatAsk) or ask.options.keys().isdisjoint(_STRICT):
        return None
    text = _validator(_strict_schema(ask), "response_format", "response_format.json_schema.schema")
    arguments = {
        function["name"]: validator
        for function in _strict_functions(ask)
        if (validator := _validator(function.get("parameters"), "tools", f"parameters of {function['name']}"))
    }
    return Terms(text, arguments) if text or arguments else None


def ask_again(ask: ChatAsk, body: Mapping[str, Any], fault: str) -> ChatAsk:
    """The same request with the faulty answer, and what is wrong with it."""
    message: dict[str, Any] = next((choice["message"] for choice in _ended(body)), {})
    calls, content = message.get("tool_calls"), message.get("content")
    correction = f"This does not fit the JSON schema: {fault}. "
    again: list[Message]
    if calls:
        correction += "Nothing was done. Call again with arguments that fit."
        results = [{"role": "tool", "tool_call_id": call.get("id"), "content": correction} for call in calls]
        again = [{"role": "assistant", "content": content, "tool_calls": calls}, *results]
    else:
        correction += "Answer again with JSON that fits, and with nothing else."
        again = [{"role": "assistant", "content": content or ""}, {"role": "user", "content": correction}]
    return replace(ask, messages=[*ask.messages, *again])


def mismatch(fault: str) -> UpstreamFailed:
    return UpstreamFailed(f"the model's answer does not fit the schema: {fault}", code="schema_mismatch")


def _strict_schema(ask: AnyAsk) -> Any:
    wanted = ask.options.get("response_format")
    if not isinstance(ask, ChatAsk) or not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    described = wanted.get("json_schema") or {}
    return described.get("schema") if described.get("strict") is True else None


def _strict_functions(ask: ChatAsk) -> Iterator[Mapping[str, Any]]:
    for tool in ask.options.get("tools") or []:
        function = tool.get("function")
        if isinstance(function, dict) and function.get("strict") is True and isinstance(function.get("name"), str):
            yield function


def _is_plain(schema: Any) -> bool:
    """The validator cannot be trusted with all schemas that are made of several resources."""
    return not any("$dynamicRef" in part or ("$id" in part and part is not schema) for part in _objects(schema))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    ahead = [value]
    while ahead:
        part = ahead.pop()
        if isinstance(part, dict):
            yield part
            ahead.extend(part.values())
        elif isinstance(part, list):
            ahead.extend(part)


def _validator(schema: Any, param: str, where: str) -> jsonschema_rs.Draft202012Validator | None:
    if schema is None or not _is_plain(schema):
        return None
    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_fetch_nothing)
    except (ValueError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise Invalid(f"{where}: {said}", param=param) from error


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is outside of the schema")


def _ended(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for choice in body.get("choices") or []:
        if choice.get("finish_reason") in ("stop", "tool_calls") and isinstance(choice.get("message"), dict):
            yield choice


def _fault_in(content: Any, validator: jsonschema_rs.Draft202012Validator) -> str | None:
    try:
        value = orjson.loads(content or "")
    except orjson.JSONDecodeError:
        return "it is not JSON"
    error = next(validator.iter_errors(value), None)
    if error is None:
        return None
    where = "/".join(map(str, error.instance_path))
    return f"{where or 'the value'}: {error.message}"[:FAULT_CHARACTERS]
