"""Which models suit a task, best first, and why.

What the request demands decides who is in the list; what it prefers, who is first. Each model gets points for what it
is made for, its place in the catalog, the price that the wanted quality suggests, and its latency.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from handlers.core.call import Call
from handlers.core.catalog import Capability, Model, Price
from handlers.core.models import Offer, list_models
from handlers.core.pricing import pick_price
from handlers.core.services import SIMULATOR

Quality = Literal["low_cost", "balanced", "premium"]

FIT_POINTS = 0.35
PRICE_POINTS = 0.25
TIER_POINTS = {"recommended": 0.25, "tier_1": 0.2, "tier_2": 0.1, "catalog": 0.0}
LATENCY_POINTS = {"low": 0.15, "standard": 0.08, "deep": 0.0}
INDIFFERENT_LATENCY = 0.08
UNAVAILABLE = 0.5
"""What the points of a model are multiplied with that nobody can answer for."""

_STEMS: Mapping[str, Sequence[str]] = {
    "coding": ("cod", "program", "software", "refactor", "debug", "script", "bug", "sql", "test"),
    "agents": ("agent", "tool", "automat", "workflow", "orchestrat"),
    "writing": ("writ", "essay", "blog", "story", "copy", "edit", "draft", "letter"),
    "reasoning": ("reason", "math", "proof", "logic", "plan", "analy", "scien", "research"),
    "vision": ("vision", "image", "picture", "photo", "screenshot", "chart", "diagram"),
    "long_context": ("long", "book", "document", "report", "contract"),
    "classification": ("classif", "label", "tag", "categor", "sentiment", "moderat"),
    "extraction": ("extract", "parse", "scrap", "entit", "structur"),
}
"""How words begin that speak of what models are recommended for; any other tag of a catalog speaks for itself."""
_EMBEDDING = ("embed", "semantic", "similarity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`needs` are capabilities that a model must have; `max_output_usd` is for a million tokens."""

    task: str = ""
    needs: frozenset[Capability] = frozenset()
    max_input_tokens: int | None = None
    max_output_usd: Decimal | None = None
    quality: Quality | None = None
    low_latency: bool = False
    include_unavailable: bool = False


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`score` is between 0 and 1; `price` is that of prompts as long as the request says."""

    offer: Offer
    price: Price | None
    score: float
    reason: str


async def recommend(wanted: Wanted, call: Call) -> list[Recommendation]:
    """Empty when no model meets the demands."""
    candidates = [
        (offer, pick_price(offer.model, offer.provider, wanted.max_input_tokens or 0))
        for offer in await list_models(call)
    ]
    candidates = [(offer, price) for offer, price in candidates if _meets(wanted, offer, price)]
    ranks = _price_ranks(candidates)
    found = [_judge(wanted, offer, price, ranks.get(offer.model.id)) for offer, price in candidates]
    return sorted(found, key=lambda one: (-one.score, _output_usd(one.price), one.offer.model.id))


def _meets(wanted: Wanted, offer: Offer, price: Price | None) -> bool:
    """What nobody knows of a model, its price or its size, is not taken to be as demanded. The simulator suits no
    task."""
    model = offer.model
    if all(place.vendor == SIMULATOR for place in model.deployments):
        return False
    if (model.kind == "embedding") is not _speaks_of(wanted.task, _EMBEDDING):
        return False
    if not offer.available and not wanted.include_unavailable:
        return False
    if wanted.needs - model.capabilities:
        return False
    if wanted.max_input_tokens is not None and model.context_tokens < wanted.max_input_tokens:
        return False
    return wanted.max_output_usd is None or (price is not None and price.output_usd <= wanted.max_output_usd)


def _judge(wanted: Wanted, offer: Offer, price: Price | None, rank: float | None) -> Recommendation:
    """`rank` is 0 for the cheapest and 1 for the dearest of the list."""
    model = offer.model
    score = TIER_POINTS[model.tier] + PRICE_POINTS * _price_share(wanted.quality, rank)
    score += LATENCY_POINTS[model.latency_class] if wanted.low_latency else INDIFFERENT_LATENCY
    if _fits(wanted.task, model):
        score += FIT_POINTS
    if not offer.available:
        score *= UNAVAILABLE
    return Recommendation(offer, price, round(score, 4), "; ".join(_reasons(wanted, offer, price)))


def _price_share(quality: Quality | None, rank: float | None) -> float:
    """Of the points: those of the wanted quality are for the cheapest, the dearest or the middle."""
    if rank is None or quality is None:
        return 0.5
    if quality == "low_cost":
        return 1 - rank
    return rank if quality == "premium" else 1 - abs(2 * rank - 1)


def _price_ranks(candidates: Sequence[tuple[Offer, Price | None]]) -> dict[str, float]:
    prices = sorted({price.output_usd for _, price in candidates if price is not None})
    last = max(1, len(prices) - 1)
    return {offer.model.id: prices.index(price.output_usd) / last for offer, price in candidates if price is not None}


def _reasons(wanted: Wanted, offer: Offer, price: Price | None) -> Iterator[str]:
    model = offer.model
    if fits := _fits(wanted.task, model):
        yield f"recommended for {', '.join(fits)}"
    if wanted.needs:
        yield f"supports {', '.join(sorted(need.replace('json_schema', 'JSON schemas') for need in wanted.needs))}"
    if wanted.max_input_tokens is not None:
        yield f"holds {model.context_tokens} tokens"
    if price is not None:
        bound = f", within the limit of {_usd(wanted.max_output_usd)}" if wanted.max_output_usd is not None else ""
        yield f"{_usd(price.output_usd)} a million output tokens{bound}"
    else:
        yield "free of charge, or without a price in the catalog"
    if wanted.low_latency:
        yield f"{model.latency_class} latency" if model.latency_class != "deep" else "takes its time"
    if model.tier != "catalog":
        yield {"recommended": "among the recommended models"}.get(model.tier, model.tier.replace("_", " "))
    if not offer.available:
        yield "not available: no provider is configured"


def _fits(task: str, model: Model) -> list[str]:
    """What the task speaks of and the model is recommended for, its capabilities counted."""
    tags = [*model.recommended_for, *({"code": "coding"}.get(name, name) for name in sorted(model.capabilities))]
    return [tag.replace("_", " ") for tag in dict.fromkeys(tags) if _speaks_of(task, _STEMS.get(tag, (tag,)))]


def _speaks_of(task: str, stems: Sequence[str]) -> bool:
    return any(word.startswith(tuple(stems)) for word in re.findall(r"[a-z]+", task.lower()))


def _usd(amount: Decimal) -> str:
    return f"${amount.normalize():f}"


def _output_usd(price: Price | None) -> Decimal:
    return price.output_usd if price is not None else Decimal(0)
