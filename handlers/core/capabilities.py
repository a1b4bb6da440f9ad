"""Refusing what a model cannot do before its vendor is called."""

from __future__ import annotations

from typing import Any

from handlers.core.asks import AnyAsk, ChatAsk
from handlers.core.catalog import Capability, Model
from handlers.core.errors import Invalid, NotFound
from handlers.core.messages import check_messages, content_parts
from handlers.core.options import check_options
from handlers.core.structured import terms_of


def check(ask: AnyAsk, model: Model) -> None:
    """Raises `Invalid` with the code `model_does_not_support_<what>`, or for a request that contradicts itself."""
    check_options(ask.options)
    if isinstance(ask, ChatAsk):
        _check_chat(ask, model)
    elif "completion" not in model.capabilities:
        raise _lacks(model, "completion", "model")
    wanted = _format_type(ask)
    if wanted == "grammar" and "grammar" not in model.capabilities:
        raise _lacks(model, "grammar", "response_format")
    if wanted == "json_schema":
        _check_schema(ask)
        if "json_schema" not in model.capabilities:
            raise _lacks(model, "json_schema", "response_format")
    terms_of(ask)


def _check_chat(ask: ChatAsk, model: Model) -> None:
    if model.kind != "chat" or "chat" not in model.capabilities:
        raise _lacks(model, "chat", "model")
    check_messages(ask.messages)
    if ask.options.get("tools") and "tools" not in model.capabilities:
        raise _lacks(model, "tools", "tools")
    for modality in ask.options.get("modalities") or []:
        if modality not in _output_modalities(model):
            raise Invalid(f"{model.id} does not answer in {modality}", code=f"model_does_not_support_{modality}")
    for part in content_parts(ask.messages):
        _check_part(part, model)


def _output_modalities(model: Model) -> list[str]:
    """Text, and what the catalog's entry or the registration says in `metadata.output_modalities`."""
    more = model.metadata.get("output_modalities")
    return ["text", *more] if isinstance(more, list | tuple) else ["text"]


def _check_part(part: dict[str, Any], model: Model) -> None:
    kind = part.get("type")
    if kind == "image_url" and "vision" not in model.capabilities:
        raise _lacks(model, "vision", "messages")
    file = part.get("file")
    if kind == "file" and isinstance(file, dict) and file.get("file_id") and not file.get("file_data"):
        raise NotFound(f"there is no file {file['file_id']}", code="file_not_found", param="messages")


def _check_schema(ask: AnyAsk) -> None:
    wanted = ask.options["response_format"].get("json_schema")
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    if schema is not None and not isinstance(schema, dict | bool):
        raise Invalid("response_format.json_schema.schema must be a JSON schema", param="response_format")
    if not isinstance(wanted, dict) or (schema is None and wanted.get("strict")):
        raise Invalid("response_format.json_schema.schema is missing", param="response_format")


def _format_type(ask: AnyAsk) -> str:
    """Raises `Invalid` for a `response_format` that OpenAI's API does not have, nor is a grammar (a text in GBNF)."""
    wanted = ask.options.get("response_format")
    kind = "text" if wanted is None else wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "grammar" and isinstance(wanted, dict) and isinstance(wanted.get("grammar"), str):
        return "grammar"
    if kind not in ("text", "json_object", "json_schema"):
        raise Invalid("response_format.type must be text, json_object or json_schema", param="response_format")
    return str(kind)


def _lacks(model: Model, what: Capability, param: str) -> Invalid:
    said = {
        "vision": "images",
        "json_schema": "JSON schemas",
        "completion": "plain text completion",
        "grammar": "grammars",
    }.get(what, what)
    return Invalid(f"{model.id} does not support {said}", code=f"model_does_not_support_{what}", param=param)
