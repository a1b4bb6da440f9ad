"""Whether an answer fits the strict schema that was asked for, and asking for it once more when it does not.

An answer that was cut off by its limit, refused or given as tool calls is not held to the schema. Schemas that fetch
others or are made of several resources are left to the vendor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import jsonschema_rs
import orjson

from handlers.core.asks import AnyAsk, ChatAsk
from handlers.core.errors import Invalid, UpstreamFailed

FAULT_CHARACTERS = 500


def check_schema(ask: AnyAsk) -> None:
    """Raises `Invalid` for a strict schema that is none."""
    schema = _strict_schema(ask)
    if schema is not None and _is_plain(schema):
        _validator(schema)


def find_fault(ask: AnyAsk, body: Mapping[str, Any]) -> str | None:
    """What is wrong with the first choice that does not fit; None when all do, or nothing strict was asked for."""
    schema = _strict_schema(ask)
    if schema is None or not _is_plain(schema):
        return None
    validator = _validator(schema)
    faults = (_fault_in(choice["message"].get("content"), validator) for choice in _finished(body))
    return next((fault for fault in faults if fault), None)


def ask_again(ask: ChatAsk, body: Mapping[str, Any], fault: str) -> ChatAsk:
    """The same request with the faulty answer, and what is wrong with it."""
    said = next((choice["message"].get("content") for choice in _finished(body)), None)
    correction = f"This does not fit the JSON schema: {fault}. Answer again with JSON that fits, and with nothing else."
    messages = [
        *ask.messages,
        {"role": "assistant", "content": said or ""},
        {"role": "user", "content": correction},
    ]
    return replace(ask, messages=messages)


def mismatch(fault: str) -> UpstreamFailed:
    return UpstreamFailed(f"the model's answer does not fit the schema: {fault}", code="schema_mismatch")


def _strict_schema(ask: AnyAsk) -> Any:
    wanted = ask.options.get("response_format")
    if not isinstance(ask, ChatAsk) or not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    described = wanted.get("json_schema") or {}
    return described.get("schema") if described.get("strict") is True else None


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


def _validator(schema: Any) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_fetch_nothing)
    except (ValueError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise Invalid(f"response_format.json_schema.schema: {said}", param="response_format") from error


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is outside of the schema")


def _finished(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for choice in body.get("choices") or []:
        message = choice.get("message") or {}
        if choice.get("finish_reason") == "stop" and not message.get("tool_calls") and not message.get("refusal"):
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
