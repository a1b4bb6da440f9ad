"""What the model lists of several dialects share."""

from __future__ import annotations

from decimal import Decimal

from handlers.core.catalog import Price
from handlers.core.models import Offer

_PER_MILLION = Decimal(1_000_000)
_COMMON = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "n", "stream")
_BY_CAPABILITY = {
    "tools": ("tools", "tool_choice"),
    "parallel_tools": ("parallel_tool_calls",),
    "json_schema": ("response_format",),
    "reasoning": ("reasoning",),
}


def per_token(rate: Decimal) -> Decimal:
    """USD per token from USD per million."""
    return rate / _PER_MILLION


def decimal_text(amount: Decimal) -> str:
    """`0.0000025`, never with an exponent."""
    return f"{amount.normalize():f}"


def list_price(offer: Offer) -> Price | None:
    """The card that a plain request is charged by: standard tier, short prompt, as far as there is one."""
    cards = offer.model.prices
    ranked = sorted(cards, key=lambda card: (card.service_tier != "standard", card.context_band != "short"))
    return ranked[0] if ranked else None


def supported_parameters(offer: Offer) -> list[str]:
    if offer.model.kind == "embedding":
        return ["dimensions", "encoding_format"]
    by_capability = [_BY_CAPABILITY[name] for name in _BY_CAPABILITY if name in offer.model.capabilities]
    return [*_COMMON, *(name for names in by_capability for name in names)]
