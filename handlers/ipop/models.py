from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from codegen.generated.ipop.routes import ModelRecommendationsCreateBody, ModelsGetParams, ModelsListParams
from handlers.core.call import Call
from handlers.core.catalog import Capability, Price
from handlers.core.errors import NotFound, Unavailable
from handlers.core.models import Offer, find_list, find_model, may_use
from handlers.core.recommendations import Recommendation, Wanted, recommend
from handlers.wire import model_list
from handlers.wire.reply import Reply

_NEEDS: dict[str, Capability] = {
    "require_json_schema": "json_schema",
    "require_tools": "tools",
    "require_vision": "vision",
}
_GROUPS = {"recommended": "Recommended", "tier_1": "Tier 1", "tier_2": "Tier 2", "embeddings": "Embeddings"}


async def models_list(params: ModelsListParams, call: Call) -> Reply:
    how = ("ipop", params.include_unavailable, params.ready)
    return Reply((await find_list(call)).show(how, lambda offers: _list(usable(offers, *how[1:]))))


def _list(offers: list[Offer]) -> dict[str, Any]:
    return {"object": "list", "data": [_render(offer) for offer in offers], "groups": _groups(offers)}


async def models_get(params: ModelsGetParams, call: Call) -> dict[str, Any]:
    """`/` and `:` in the id are the same."""
    model_id = str(params.model_id)
    offer = await find_model(model_id, call)
    if offer is None or not may_use(offer.served.id, call):
        raise NotFound(f"there is no model {model_id}", code="model_not_found", param="model_id")
    if not usable([offer], params.include_unavailable, params.ready):
        raise Unavailable(f"no provider of {model_id} is configured", code="model_unavailable", param="model_id")
    return _render(offer)


async def model_recommendations_create(body: ModelRecommendationsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    limit = data.get("max_cost_per_million_output_usd")
    wanted = Wanted(
        task=data.get("task", ""),
        needs=frozenset(need for name, need in _NEEDS.items() if data.get(name)),
        max_input_tokens=data.get("max_input_tokens"),
        max_output_usd=None if limit is None else Decimal(str(limit)),
        quality=data.get("quality_tier"),
        low_latency=data.get("prefer_low_latency", False),
        include_unavailable=data.get("include_unavailable", False),
    )
    found = await recommend(wanted, call)
    return {"object": "model.recommendations", "recommendations": [_render_recommendation(one) for one in found]}


def usable(offers: Sequence[Offer], include_unavailable: bool, ready: bool) -> list[Offer]:
    """A model is ready when a provider of it is configured, so `ready` overrules `include_unavailable`."""
    return [offer for offer in offers if offer.available or (include_unavailable and not ready)]


def supports(offer: Offer) -> dict[str, bool]:
    """The flags that `Model` and `PublicModelStatus` have in common."""
    can = offer.model.capabilities
    return {
        "supports_chat": "chat" in can,
        "supports_code": "code" in can,
        "supports_embeddings": "embeddings" in can,
        "supports_json_schema": "json_schema" in can,
        "supports_reasoning": "reasoning" in can,
        "supports_tools": "tools" in can,
        "supports_vision": "vision" in can,
    }


def status_of(offer: Offer) -> str:
    return "available" if offer.available else "not_enabled"


def _render(offer: Offer) -> dict[str, Any]:
    model, can = offer.model, offer.model.capabilities
    price = model_list.list_price(offer)
    content: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "display_name": model.display_name,
        "available": offer.available,
        "availability_label": "Available" if offer.available else "Not enabled",
        "status": status_of(offer),
        "catalog_tier": model.tier,
        "latency_class": model.latency_class,
        "recommended": model.tier == "recommended",
        "recommended_for": list(model.recommended_for),
        "input_token_rate": float(model_list.per_token(price.input_usd)) if price else 0.0,
        "output_token_rate": float(model_list.per_token(price.output_usd)) if price else 0.0,
        "price_cards": [_price_card(card, offer) for card in model.prices],
        **supports(offer),
        "supports_streaming": "streaming" in can,
        "supports_parallel_tool_calls": "parallel_tools" in can,
        "supports_tool_choice": "tools" in can,
        "supports_tool_json_schema": "tools" in can,
    }
    if model.context_tokens:
        content |= {"max_context_tokens": model.context_tokens, "max_input_tokens": model.context_tokens}
    if model.max_output_tokens:
        content["max_output_tokens"] = model.max_output_tokens
    return content


def _render_recommendation(found: Recommendation) -> dict[str, Any]:
    offer, price = found.offer, found.price
    return {
        "model": offer.model.id,
        "display_name": offer.model.display_name,
        "reason": found.reason,
        "score": found.score,
        "available": offer.available,
        "status": status_of(offer),
        "latency_class": offer.model.latency_class,
        "input_token_rate": float(model_list.per_token(price.input_usd)) if price else 0.0,
        "output_token_rate": float(model_list.per_token(price.output_usd)) if price else 0.0,
    }


def _price_card(card: Price, offer: Offer) -> dict[str, Any]:
    """Rates are USD per token."""
    places = offer.model.deployments
    place = next((place for place in places if place.vendor == card.vendor), None)
    content: dict[str, Any] = {
        "provider": card.vendor,
        "public_model_id": offer.model.id,
        "provider_model_id": place.model if place else offer.provider_model,
        "context_band": card.context_band,
        "service_tier": card.service_tier,
        "input_token_rate": float(model_list.per_token(card.input_usd)),
        "output_token_rate": float(model_list.per_token(card.output_usd)),
    }
    if card.cached_input_usd is not None:
        content["cached_input_token_rate"] = float(model_list.per_token(card.cached_input_usd))
    if card.threshold_tokens is not None:
        content["context_token_threshold"] = card.threshold_tokens
    return content


def _groups(offers: list[Offer]) -> list[dict[str, Any]]:
    """Groups that hold something; an embedding model is in the group of its own kind only."""
    members: dict[str, list[str]] = {group: [] for group in _GROUPS}
    for offer in offers:
        group = "embeddings" if offer.model.kind == "embedding" else offer.model.tier
        if group in members:
            members[group].append(offer.model.id)
    return [{"id": group, "label": _GROUPS[group], "model_ids": ids} for group, ids in members.items() if ids]
