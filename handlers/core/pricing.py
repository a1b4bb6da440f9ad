"""What tokens cost. Rates in USD per million tokens are micro-dollars per token, so no factor appears."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from handlers.core.catalog import Model, Price
from providers.inference.interface import Usage

_CARDS = ("priority", "flex", "batch")
_BATCH_SHARE = Decimal("0.5")
"""Of the standard rates, where a vendor names none for batches (ipop.json: POST /batches)."""


@dataclass(frozen=True, slots=True)
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
    cards = [card for card in model.prices if card.vendor == vendor] or list(model.prices)
    for tier in (service_tier if service_tier in _CARDS else "standard", "standard"):
        of_tier = [card for card in cards if card.service_tier == tier]
        if of_tier:
            cards = of_tier
            break
    long = [card for card in cards if card.threshold_tokens is not None and prompt_tokens >= card.threshold_tokens]
    short = [card for card in cards if card.context_band == "short"]
    card = next(iter(sorted(long, key=_threshold, reverse=True) or short or cards), None)
    return _halved(card) if card is not None and service_tier == "batch" and card.service_tier != "batch" else card


def _halved(card: Price) -> Price:
    names = ("input_usd", "output_usd", "cached_input_usd", "cache_write_usd", "reasoning_usd")
    rates = {name: getattr(card, name) for name in names}
    return replace(card, **{name: rate * _BATCH_SHARE for name, rate in rates.items() if rate is not None})


def cost_micros(price: Price | None, usage: Usage) -> int:
    """Micro-dollars, rounded half up."""
    return int((cost_usd(price, usage) * 1_000_000).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def split_cost(price: Price | None, usage: Usage) -> Cost:
    """`cost_micros`, told apart. Each part is rounded down; what that leaves over goes to the last of the completion,
    the prompt and the cached tokens that there are any of."""
    total = cost_micros(price, usage)
    if price is None:
        return Cost()
    if not usage.completion_tokens and usage.prompt_tokens <= usage.cached_tokens:
        return Cost(cached_micros=total)
    cached = int(usage.cached_tokens * _or(price.cached_input_usd, price.input_usd))
    if not usage.completion_tokens:
        return Cost(total - cached, cached)
    prompt = int(_prompt_micros(price, usage))
    return Cost(prompt, cached, total - prompt - cached)


def cost_usd(price: Price | None, usage: Usage) -> Decimal:
    """Exact, and 0 where nobody names a price."""
    if price is None:
        return Decimal(0)
    exact = (
        _prompt_micros(price, usage)
        + usage.cached_tokens * _or(price.cached_input_usd, price.input_usd)
        + (usage.completion_tokens - usage.reasoning_tokens) * price.output_usd
        + usage.reasoning_tokens * _or(price.reasoning_usd, price.output_usd)
    )
    return exact / 1_000_000


def _prompt_micros(price: Price, usage: Usage) -> Decimal:
    """For the tokens of a prompt that the vendor had not kept."""
    return (
        usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens
    ) * price.input_usd + usage.cache_write_tokens * _or(price.cache_write_usd, price.input_usd)


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
