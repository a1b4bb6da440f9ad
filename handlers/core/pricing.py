"""What tokens cost. Rates in USD per million tokens are micro-dollars per token, so no factor appears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from handlers.core.catalog import Model, Price
from providers.inference.interface import Usage

_CARDS = ("priority", "flex", "batch")
_BATCH_SHARE = Decimal("0.5")
"""Of the standard rates, where a vendor names none for batches (ipop.json: POST /batches)."""


@dataclass(slots=True)
class Cost:
    """Micro-dollars, by what they are for: prompt tokens that the vendor read anew, those that it had kept, and
    completion tokens."""

    prompt_micros: int = 0
    cached_micros: int = 0
    completion_micros: int = 0

    @property
    def micros(self) -> int:
        return self.prompt_micros + self.cached_micros + self.completion_micros

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.prompt_micros + other.prompt_micros,
            self.cached_micros + other.cached_micros,
            self.completion_micros + other.completion_micros,
        )


def pick_price(model: Model, vendor: str, prompt_tokens: int, service_tier: object = None) -> Price | None:
    """The card for this vendor, tier and prompt; where there is none for the vendor or the tier, the nearest one, of
    which a batch costs half."""
    cards = [card for card in model.prices if card.vendor == vendor] or model.prices
    if len(cards) > 1:
        cards = _of_tier(cards, service_tier if service_tier in _CARDS else "standard") or cards
        long = [card for card in cards if card.threshold_tokens is not None and prompt_tokens >= card.threshold_tokens]
        short = [card for card in cards if card.context_band == "short"]
        cards = sorted(long, key=_threshold, reverse=True) or short or cards
    card = cards[0] if cards else None
    return _halved(card) if card is not None and service_tier == "batch" and card.service_tier != "batch" else card


def _of_tier(cards: Sequence[Price], tier: object) -> list[Price]:
    return [card for card in cards if card.service_tier == tier] or [
        card for card in cards if card.service_tier == "standard"
    ]


def _halved(card: Price) -> Price:
    names = ("input_usd", "output_usd", "cached_input_usd", "cache_write_usd", "reasoning_usd")
    rates = {name: getattr(card, name) for name in names}
    return replace(card, **{name: rate * _BATCH_SHARE for name, rate in rates.items() if rate is not None})


def cost_micros(price: Price | None, usage: Usage) -> int:
    """Micro-dollars, rounded half up."""
    return 0 if price is None else _rounded(sum(_exact(price, usage)))


def split_cost(price: Price | None, usage: Usage) -> Cost:
    """`cost_micros`, told apart. Each part is rounded down; what that leaves over goes to the last of the completion,
    the prompt and the cached tokens that there are any of."""
    if price is None:
        return Cost()
    parts = _exact(price, usage)
    total = _rounded(sum(parts))
    if not usage.completion_tokens and usage.prompt_tokens <= usage.cached_tokens:
        return Cost(cached_micros=total)
    prompt, cached = int(parts[0]), int(parts[1])
    if not usage.completion_tokens:
        return Cost(total - cached, cached)
    return Cost(prompt, cached, total - prompt - cached)


def cost_usd(price: Price | None, usage: Usage) -> Decimal:
    """Exact, and 0 where nobody names a price."""
    return Decimal(0) if price is None else sum(_exact(price, usage), Decimal(0)) / 1_000_000


def _exact(price: Price, usage: Usage) -> tuple[Decimal, Decimal, Decimal]:
    """Micro-dollars for the tokens of the prompt that the vendor had not kept, for those that it had, and for those of
    the answer."""
    cached, written, thought = usage.cached_tokens, usage.cache_write_tokens, usage.reasoning_tokens
    prompt = (usage.prompt_tokens - cached - written) * price.input_usd
    if written:
        prompt += written * _or(price.cache_write_usd, price.input_usd)
    answer = (usage.completion_tokens - thought) * price.output_usd
    if thought:
        answer += thought * _or(price.reasoning_usd, price.output_usd)
    return prompt, cached * _or(price.cached_input_usd, price.input_usd), answer


def _rounded(micros: Decimal | int) -> int:
    return int(Decimal(micros).to_integral_value(ROUND_HALF_UP))


def dearest_output_usd(price: Price) -> Decimal:
    """What a token of an answer costs at most."""
    return max(price.output_usd, _or(price.reasoning_usd, price.output_usd))


def dearest_input_usd(price: Price) -> Decimal:
    """What a token of a prompt costs at most."""
    return max(price.input_usd, _or(price.cache_write_usd, price.input_usd))


def _or(rate: Decimal | None, usual: Decimal) -> Decimal:
    return usual if rate is None else rate


def _threshold(card: Price) -> int:
    return card.threshold_tokens or 0
