from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codegen.generated.maniac.routes import ModelsListParams
from handlers.core.call import Call
from handlers.core.containers import list_container_models
from handlers.core.models import Offer, find_list
from handlers.wire import model_list
from handlers.wire.reply import Reply


async def models_list(params: ModelsListParams, call: Call) -> Reply | dict[str, Any]:
    """Newest first; `total` counts all that the project can use now. Of a container: the attached models, then the
    one it has by default."""
    if params.container is None:
        listed = await find_list(call)
        how = ("maniac", params.limit, params.offset)
        return Reply(listed.show(how, lambda offers: _list(_newest(offers), params)))
    return _list(await list_container_models(params.container, call), params)


def _newest(offers: Sequence[Offer]) -> list[Offer]:
    return sorted(offers, key=lambda offer: offer.model.created, reverse=True)


def _list(found: Sequence[Offer], params: ModelsListParams) -> dict[str, Any]:
    offers = [offer for offer in found if offer.available]
    page = offers[params.offset : params.offset + params.limit]
    return {"object": "list", "data": [_render(offer) for offer in page], "total": len(offers)}


def _render(offer: Offer) -> dict[str, Any]:
    model = offer.model
    return {
        "object": "model",
        "id": model.id,
        "slug": _slug(offer),
        "name": model.display_name,
        "created": model.created,
        "context_length": model.context_tokens or None,
        "pricing": _pricing(offer),
        "supported_parameters": model_list.supported_parameters(offer),
        "supported_apis": _apis(offer),
        "provider": offer.provider,
    }


def _slug(offer: Offer) -> str:
    """An attached model has one of its own within its container."""
    return offer.route.submodel.slug if offer.route and offer.route.submodel else offer.model.id


def _apis(offer: Offer) -> list[str]:
    apis = {"chat": "chat.completions", "completion": "completions", "embeddings": "embeddings"}
    return [api for capability, api in apis.items() if capability in offer.model.capabilities]


def _pricing(offer: Offer) -> dict[str, str]:
    """USD per token, as text; a model without a price card is free."""
    price = model_list.list_price(offer)
    if price is None:
        return {"prompt": "0", "completion": "0"}
    rates = {"prompt": price.input_usd, "completion": price.output_usd, "input_cache_read": price.cached_input_usd}
    return {
        name: model_list.decimal_text(model_list.per_token(rate)) for name, rate in rates.items() if rate is not None
    }
