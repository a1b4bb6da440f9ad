"""Configurations of coding agents, as those load them.

OpenCode reads `opencode.json` (https://opencode.ai/config.json): a provider of npm package `@ai-sdk/openai-compatible`
under `provider`, `{env:NAME}` for a variable, `model` as `<provider>/<model id>`. Hermes reads `~/.hermes/config.yaml`:
`model` with provider `custom`, `${NAME}` for a variable; JSON is YAML, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from codegen.generated.ipop.routes import (
    HermesConfigFreshnessGetParams,
    HermesConfigGetParams,
    OpencodeConfigFreshnessGetParams,
    OpencodeConfigGetParams,
)
from handlers.core.call import Call
from handlers.core.catalog import Model
from handlers.core.errors import Unavailable
from handlers.core.models import Offer, list_agent_models
from handlers.ipop.address import base_url
from handlers.wire import model_list

Client = Literal["opencode", "hermes"]
Json = dict[str, Any]

PROVIDER = "ipop"
VARIABLE = "IPOP_API_KEY"


async def opencode_config_get(params: OpencodeConfigGetParams, call: Call) -> Json:
    return _render(OPENCODE, await list_agent_models(call), params.redact_secrets, call)


async def hermes_config_get(params: HermesConfigGetParams, call: Call) -> Json:
    return _render(HERMES, await list_agent_models(call), params.redact_secrets, call)


async def opencode_config_freshness_get(params: OpencodeConfigFreshnessGetParams, call: Call) -> Json:
    return await _freshness(OPENCODE, params, call)


async def hermes_config_freshness_get(params: HermesConfigFreshnessGetParams, call: Call) -> Json:
    return await _freshness(HERMES, params, call)


def fingerprint(value: Any) -> str:
    """The same for equal JSON, whatever the order of its members."""
    return "sha256:" + hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class _Format:
    """`write` makes the configuration of models, the server's address and a key; `placeholder` stands for the key."""

    client: Client
    write: Callable[[Sequence[Offer], str, str], Json]
    placeholder: str
    hints: Sequence[str]


def _render(form: _Format, offers: Sequence[Offer], redact: bool, call: Call) -> Json:
    """Raises `Unavailable` when no model could be configured."""
    if not offers:
        raise Unavailable("no model that a coding agent needs is available", code="model_unavailable")
    address = base_url(call)
    redacted = form.write(offers, address, form.placeholder)
    key = form.placeholder if redact else _presented_key(call) or form.placeholder
    mark = fingerprint(redacted)
    return {
        "object": "agent_client_config",
        "client": form.client,
        "config": form.write(offers, address, key),
        "redacted_config": redacted,
        "install_hints": [hint.format(variable=VARIABLE) for hint in form.hints],
        "validation": {
            "fingerprint": mark,
            "selected_model_id": offers[0].model.id,
            "freshness_url": f"{address}/client-config/{form.client}/freshness?fingerprint={mark}",
        },
    }


async def _freshness(
    form: _Format, params: OpencodeConfigFreshnessGetParams | HermesConfigFreshnessGetParams, call: Call
) -> Json:
    """Fresh is what would be answered now; a model that the user chose must still be there, too."""
    offers = await list_agent_models(call)
    current = fingerprint(form.write(offers, base_url(call), form.placeholder)) if offers else None
    ids = [offer.model.id for offer in offers]
    chosen = params.selected_model_id
    fresh = params.fingerprint == current and (not isinstance(chosen, str) or chosen in ids)
    content: Json = {
        "object": "agent_client_config_freshness",
        "client": form.client,
        "fresh": fresh,
        "refresh_recommended": not fresh,
    }
    if current is not None:
        content |= {"fingerprint": current, "selected_model_id": chosen if chosen in ids else ids[0]}
    return content


def _presented_key(call: Call) -> str | None:
    """The key that the caller sent, who knows it already."""
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    return (key.strip() if scheme.lower() == "bearer" else "") or call.headers.get("x-api-key")


def _opencode(offers: Sequence[Offer], address: str, key: str) -> Json:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "IPOP",
        "options": {"baseURL": address, "apiKey": key},
        "models": {offer.model.id: _opencode_model(offer) for offer in offers},
    }
    return {
        "$schema": "https://opencode.ai/config.json",
        "provider": {PROVIDER: provider},
        "model": f"{PROVIDER}/{offers[0].model.id}",
    }


def _opencode_model(offer: Offer) -> Json:
    """Costs are USD per million tokens; a limit is both numbers or nothing."""
    model, price = offer.model, model_list.list_price(offer)
    content: Json = {
        "name": model.display_name,
        "attachment": "vision" in model.capabilities,
        "reasoning": "reasoning" in model.capabilities,
        "tool_call": True,
    }
    if model.context_tokens and model.max_output_tokens:
        content["limit"] = {"context": model.context_tokens, "output": model.max_output_tokens}
    if price:
        content["cost"] = {"input": float(price.input_usd), "output": float(price.output_usd)}
    return content


def _hermes(offers: Sequence[Offer], address: str, key: str) -> Json:
    first: Model = offers[0].model
    model: Json = {"default": first.id, "provider": "custom", "base_url": address, "api_key": key}
    if first.context_tokens:
        model["context_length"] = first.context_tokens
    return {"model": model}


OPENCODE = _Format(
    "opencode",
    _opencode,
    f"{{env:{VARIABLE}}}",
    (
        "Save `config` as opencode.json in your project, or as ~/.config/opencode/opencode.json.",
        "With `redacted_config`, export {variable} before you start opencode.",
    ),
)
HERMES = _Format(
    "hermes",
    _hermes,
    f"${{{VARIABLE}}}",
    (
        "Lay `config` over ~/.hermes/config.yaml; JSON is YAML, too.",
        "With `redacted_config`, put {variable} into ~/.hermes/.env.",
    ),
)
FORMATS: Mapping[Client, _Format] = {"opencode": OPENCODE, "hermes": HERMES}
