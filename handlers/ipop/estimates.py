from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from codegen.generated.ipop.routes import EstimatesCreateBody
from handlers.core import estimates
from handlers.core.call import Call
from handlers.core.catalog import Price
from handlers.core.errors import Invalid
from handlers.core.estimates import Estimate, EstimateAsk
from handlers.core.metering import MOST_TOKENS
from handlers.ipop import metadata
from handlers.wire.model_list import per_token


async def estimates_create(body: EstimatesCreateBody, call: Call) -> dict[str, Any]:
    found = await estimates.estimate(_parse(body.data), call)
    model, usage, price = found.offer.model, found.usage, found.price
    content: dict[str, Any] = {
        "object": "ipop.estimate",
        "model": model.id,
        "kind": "embeddings" if model.kind == "embedding" else "chat",
        "estimated_prompt_tokens": usage.prompt_tokens,
        "estimated_completion_tokens": usage.completion_tokens,
        "estimated_total_tokens": usage.total_tokens,
        "estimated_cost_usd": float(found.cost_usd),
        "input_token_rate": float(per_token(price.input_usd)) if price else 0.0,
        "output_token_rate": float(per_token(price.output_usd)) if price else 0.0,
        "within_context_window": found.fits,
        "warnings": list(found.warnings),
        "ipop": {**metadata.answered(call, 0), "estimated_cost_usd": float(found.cost_usd)},
    }
    if price is not None:
        content["pricing"] = _pricing(found, price)
    if model.context_tokens:
        content["max_input_tokens"] = model.context_tokens
    if model.max_output_tokens:
        content["max_output_tokens"] = model.max_output_tokens
    return content


def _parse(data: Mapping[str, Any]) -> EstimateAsk:
    """`metadata` may say what has a parameter of its own; of limits on the answer the smallest holds."""
    wishes = data.get("metadata") or {}
    limits = [MOST_TOKENS, data.get("max_tokens"), data.get("max_completion_tokens"), wishes.get("max_output_tokens")]
    known = [limit for limit in limits if limit is not None]
    if min(known) < 1:
        raise Invalid("metadata.max_output_tokens must be at least 1", param="metadata.max_output_tokens")
    budget, given = wishes.get("max_cost_usd"), data.get("input") or ()
    return EstimateAsk(
        model=data["model"],
        messages=data.get("messages") or (),
        texts=(given,) if isinstance(given, str) else tuple(given),
        max_tokens=int(min(known)) if len(known) > 1 else None,
        service_tier=wishes.get("service_tier"),
        max_cost_usd=None if budget is None else Decimal(str(budget)),
    )


def _pricing(found: Estimate, price: Price) -> dict[str, Any]:
    """Rates are USD per token. Nothing is taken to be cached: whether it is shows when the vendor answers."""
    usage = found.usage
    content: dict[str, Any] = {
        "provider": price.vendor,
        "public_model_id": found.offer.model.id,
        "provider_model_id": found.offer.provider_model,
        "context_band": price.context_band,
        "service_tier": price.service_tier,
        "input_token_rate": float(per_token(price.input_usd)),
        "output_token_rate": float(per_token(price.output_usd)),
        "uncached_input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cached_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cost_usd": float(found.cost_usd),
    }
    if price.cached_input_usd is not None:
        content["cached_input_token_rate"] = float(per_token(price.cached_input_usd))
    return content
