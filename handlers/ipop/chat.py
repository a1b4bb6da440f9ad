from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codegen.generated.ipop.routes import ChatCompletionsCreateBody
from handlers.core import chat
from handlers.core.asks import DEFAULT_POLICY, ChatAsk, KeyWish
from handlers.core.call import Call
from handlers.core.errors import Invalid, NotFound, NotImplementedYet
from handlers.core.own_keys import describe
from handlers.core.regions import RegionWish
from handlers.ipop import wishes
from handlers.ipop.metadata import answered, route_class
from handlers.wire import openai_chat
from handlers.wire.openai_chat import Style
from handlers.wire.reply import EventStream, Reply

_OURS = ("metadata", "store")


async def chat_completions_create(body: ChatCompletionsCreateBody, call: Call) -> Reply | EventStream:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, _OURS, call)
    ask = _parse(data, call)
    metadata = data.get("metadata") or {}
    if data.get("stream"):
        stream = await chat.stream(ask, call)
        style = Style(
            openai_chat.wants_usage(data) or metadata.get("include_route_metadata") is True,
            closing=lambda: {"ipop": _ipop(metadata, stream, call)},
        )
        return openai_chat.event_stream(stream, style)
    return reply_of(await chat.complete(ask, call), metadata, call)


def reply_of(answer: chat.Answer, metadata: Mapping[str, Any], call: Call) -> Reply:
    whole = openai_chat.pick(openai_chat.whole(answer), ("id", "object", "created", "model", "choices", "usage"))
    content = {**whole, "ipop": _ipop(metadata, answer, call)}
    return Reply(content, headers=openai_chat.marks(answer.attempt))


def _parse(data: Mapping[str, Any], call: Call) -> ChatAsk:
    metadata = data.get("metadata") or {}
    _refuse_unsupported(data, metadata)
    return ChatAsk(
        models=(data["model"],),
        messages=data["messages"],
        options=_options(data, metadata),
        max_cost_usd=wishes.read_budget(metadata),
        keys=KeyWish(metadata.get("byok_fallback_policy") or DEFAULT_POLICY),
        region=_region(metadata),
        steering=wishes.steer(metadata, call),
    )


def _region(wishes: Mapping[str, Any]) -> RegionWish:
    """No schema has `require_region`; it is what the attestation's page calls the pin."""
    required = wishes.get("require_region")
    if required is not None and not isinstance(required, str):
        raise Invalid("metadata.require_region must be a text", param="metadata.require_region")
    return RegionWish(required, wishes.get("prefer_region"))


def _refuse_unsupported(data: Mapping[str, Any], wishes: Mapping[str, Any]) -> None:
    """What a request depends on and this server does not have; hints about latency and caching are hints, and are
    recorded."""
    if any(tool.get("type") == "file_search" for tool in data.get("tools") or []) or data.get("tool_resources"):
        raise NotImplementedYet("the file_search tool is not available on this server", param="tools")
    if wishes.get("tool_schema_policy") == "hash_reference" and not data.get("tools"):
        message = f"there are no tools stored under the hash {wishes.get('tool_schema_hash')}"
        raise NotFound(message, code="tool_schema_not_found", param="metadata.tool_schema_hash")


def _options(data: Mapping[str, Any], wishes: Mapping[str, Any]) -> dict[str, Any]:
    """`metadata` may say what has a parameter of its own; the parameter wins, but for the limit on the answer, where
    the smaller one holds."""
    options = openai_chat.options_of(data, ("tool_resources", *_OURS))
    for name in ("reasoning_effort", "service_tier"):
        if wishes.get(name) is not None:
            options.setdefault(name, wishes[name])
    if options.get("service_tier") == "standard":
        options["service_tier"] = "default"
    limit = wishes.get("max_output_tokens")
    if limit is not None:
        names = [name for name in ("max_tokens", "max_completion_tokens") if name in options]
        if limit < 1:
            raise Invalid("metadata.max_output_tokens must be at least 1", param="metadata.max_output_tokens")
        options |= {name: min(limit, options.get(name, limit)) for name in names or ["max_completion_tokens"]}
    return options


def _ipop(metadata: Mapping[str, Any], answer: chat.Answer | chat.Stream, call: Call) -> dict[str, Any]:
    """How the request was answered. Its way is left out for `include_route_metadata: false`."""
    attempt, meter = answer.attempt, answer.meter
    account = answered(call, meter.cost_micros) | {"cache_hit": meter.cached}
    if metadata.get("include_route_metadata") is False:
        return account
    account |= {
        "fallback_used": attempt.number > 0,
        "fallback_count": attempt.number,
        "route_class": route_class(call.record, call),
    }
    if attempt.region is not None:
        account["region"] = attempt.region
    if attempt.own is not None:
        account["provider_key"] = describe(attempt.own)
    return account
