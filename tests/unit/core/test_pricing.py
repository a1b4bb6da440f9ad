from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from handlers.core.asks import ChatAsk, Steering
from handlers.core.catalog import Price
from handlers.core.metering import price_tier
from handlers.core.pricing import cost_micros, pick_price, split_cost
from providers.inference.interface import Usage
from tests.unit.handlers.bench import FULL

SHORT = Price("openai", Decimal("0.15"), Decimal("0.6"), Decimal("0.015"))
LONG = Price("openai", Decimal(10), Decimal(45), context_band="long", threshold_tokens=200)
BATCH = Price("openai", Decimal(1), Decimal(2), service_tier="batch")
OTHER = Price("openrouter", Decimal(7), Decimal(8))
MODEL = replace(FULL, prices=(BATCH, SHORT, LONG, OTHER))


@pytest.mark.parametrize(
    ("vendor", "prompt_tokens", "tier", "card"),
    [
        ("openai", 199, None, SHORT),
        ("openai", 200, None, LONG),
        ("openai", 10, "batch", BATCH),
        ("openai", 10, "priority", SHORT),
        ("openai", 10, "default", SHORT),
        ("openrouter", 10, None, OTHER),
        ("simulator", 10, None, SHORT),
    ],
)
def test_the_card_fits_vendor_band_and_tier(vendor: str, prompt_tokens: int, tier: str | None, card: Price) -> None:
    assert pick_price(MODEL, vendor, prompt_tokens, tier) is card


def test_a_batch_costs_half_where_no_card_says_otherwise() -> None:
    halved = pick_price(MODEL, "openrouter", 10, "batch")
    assert halved == Price("openrouter", Decimal("3.5"), Decimal(4))


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (Usage(1_000_000, 0), 150_000),
        (Usage(0, 1_000_000), 600_000),
        (Usage(1_000_000, 0, cached_tokens=1_000_000), 15_000),
        (Usage(10, 0), 2),
        (Usage(9, 0), 1),
        (Usage(0, 0), 0),
    ],
)
def test_money_is_exact_and_rounded_half_up(usage: Usage, micros: int) -> None:
    assert cost_micros(SHORT, usage) == micros


def test_tokens_with_rates_of_their_own_are_charged_by_them() -> None:
    usage = Usage(100, 50, cached_tokens=20, cache_write_tokens=30, reasoning_tokens=40)
    plain = Price("v", Decimal(2), Decimal(10))
    assert cost_micros(plain, usage) == 100 * 2 + 50 * 10
    rich = replace(plain, cached_input_usd=Decimal(1), cache_write_usd=Decimal(3), reasoning_usd=Decimal(12))
    assert cost_micros(rich, usage) == 50 * 2 + 20 * 1 + 30 * 3 + 10 * 10 + 40 * 12


@pytest.mark.parametrize(
    ("asked", "steering", "tier"),
    [
        ("priority", Steering(), "priority"),
        ("flex", Steering(), "flex"),
        ("batch", Steering(), "standard"),
        ("default", Steering(), "standard"),
        ("priority", Steering(batch=True), "batch"),
    ],
)
def test_a_client_picks_a_tier_but_not_that_its_work_is_a_batch(asked: str, steering: Steering, tier: str) -> None:
    ask = ChatAsk(models=("m",), messages=[], options={"service_tier": asked}, steering=steering)
    assert price_tier(ask) == tier


def test_a_model_without_cards_is_free() -> None:
    assert pick_price(replace(FULL, prices=()), "openai", 10) is None
    assert cost_micros(None, Usage(5, 5)) == 0


@pytest.mark.parametrize("card", [SHORT, LONG, None])
@pytest.mark.parametrize("prompt_tokens", [0, 1, 7, 1001])
@pytest.mark.parametrize("cached_tokens", [0, 1, 7, 1001])
@pytest.mark.parametrize("completion_tokens", [0, 1, 13])
def test_the_parts_of_a_cost_are_of_tokens_that_there_are_and_add_up(
    card: Price | None, prompt_tokens: int, cached_tokens: int, completion_tokens: int
) -> None:
    usage = Usage(prompt_tokens + cached_tokens, completion_tokens, cached_tokens=cached_tokens)
    cost = split_cost(card, usage)
    assert cost.micros == cost_micros(card, usage)
    parts = (cost.prompt_micros, cost.cached_micros, cost.completion_micros)
    for part, tokens in zip(parts, (prompt_tokens, cached_tokens, completion_tokens), strict=True):
        assert part >= 0
        assert tokens or not part
