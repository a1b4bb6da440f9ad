"""What a request would use and cost, without asking anybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from handlers.core.asks import ChatAsk, Message
from handlers.core.call import Call
from handlers.core.catalog import Model, Price
from handlers.core.container_routes import CHAT
from handlers.core.errors import Forbidden, Invalid, NotFound
from handlers.core.metering import ANSWER_TOKENS, count_prompts
from handlers.core.models import Offer, find_model, may_use
from handlers.core.pricing import cost_usd, pick_price
from providers import tokens
from providers.inference.interface import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateAsk:
    """Each of `texts` is embedded by itself, or is a user's message of a chat, after `messages`. `max_tokens` is the
    limit on the answer."""

    model: str
    messages: Sequence[Message] = ()
    texts: Sequence[str] = ()
    max_tokens: int | None = None
    service_tier: str | None = None
    max_cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """`fits` says whether the model can hold it; `price` is None where the catalog names none."""

    offer: Offer
    usage: Usage
    price: Price | None
    cost_usd: Decimal
    fits: bool
    warnings: tuple[str, ...]


async def estimate(ask: EstimateAsk, call: Call) -> Estimate:
    """Raises `NotFound`, `Forbidden`, and `Invalid` for messages to an embedding model."""
    offer = await find_model(ask.model, call)
    if offer is None:
        raise NotFound(f"there is no model {ask.model}", code="model_not_found", param="model")
    if not may_use(offer.served.id, call):
        raise Forbidden(f"this key may not use {ask.model}", code="model_not_allowed", param="model")
    if offer.model.kind == "embedding":
        usage, longest = await _embedding(ask, offer, call)
    else:
        usage = await _chat(ask, offer)
        longest = usage.total_tokens
    price = pick_price(offer.model, offer.provider, usage.prompt_tokens, ask.service_tier)
    cost = cost_usd(price, usage)
    fits = not offer.model.context_tokens or longest <= offer.model.context_tokens
    found = Estimate(offer, usage, price, cost, fits, ())
    return Estimate(offer, usage, price, cost, fits, tuple(_warnings(ask, found)))


async def _embedding(ask: EstimateAsk, offer: Offer, call: Call) -> tuple[Usage, int]:
    """Its usage, and the tokens of the longest text: every text is read by itself."""
    if ask.messages:
        raise Invalid(f"{offer.model.id} makes embeddings, of input and not of messages", param="messages")
    embedder = call.services.embeddings.get(offer.provider)
    if embedder is None:
        counts = [await tokens.count_text(text) for text in ask.texts]
    else:
        counts = [await embedder.count_tokens(offer.provider_model, [text]) for text in ask.texts]
    return Usage(sum(counts), 0, counted_by="concordat"), max(counts, default=0)


async def _chat(ask: EstimateAsk, offer: Offer) -> Usage:
    """With what a container would add."""
    messages = [*ask.messages, *({"role": "user", "content": text} for text in ask.texts)]
    limit = {} if ask.max_tokens is None else {"max_completion_tokens": ask.max_tokens}
    whole = ChatAsk(models=(ask.model,), messages=messages, options=limit)
    if offer.route is not None and offer.route.container.api == CHAT:
        whole = cast(ChatAsk, offer.route.apply(whole))
    prompt = await count_prompts(whole) if whole.messages else 0
    return Usage(prompt, _answer_tokens(whole, offer.served, prompt), counted_by="concordat")


def _answer_tokens(ask: ChatAsk, model: Model, prompt: int) -> int:
    """An answer without a limit is taken to be as long as admission takes it to be, as far as the model can write."""
    most = model.max_output_tokens
    wanted = prompt + ANSWER_TOKENS if ask.max_tokens is None else ask.max_tokens
    return min(wanted, most) if most else wanted


def _warnings(ask: EstimateAsk, found: Estimate) -> Iterator[str]:
    model, price = found.offer.model, found.price
    if not ask.messages and not ask.texts:
        yield "the request has neither messages nor input"
    if model.kind == "chat":
        yield "tokens are counted with the o200k_base vocabulary; the vendor's own count may differ"
        if ask.max_tokens is None:
            yield f"the answer has no limit, and is taken to be {found.usage.completion_tokens} tokens long"
        elif model.max_output_tokens and ask.max_tokens > model.max_output_tokens:
            yield f"the model writes at most {model.max_output_tokens} tokens"
    if not found.fits:
        yield f"the request does not fit into the {model.context_tokens} tokens of the model"
    if not found.offer.available:
        yield "no provider of the model is configured"
    if price is None:
        yield "the catalog has no price for the model"
    elif ask.service_tier == "priority" and price.service_tier != "priority":
        yield f"the catalog has no priority rates for the model: those of tier {price.service_tier} are used"
    if ask.max_cost_usd is not None and found.cost_usd > ask.max_cost_usd:
        yield "the request may cost more than max_cost_usd"
