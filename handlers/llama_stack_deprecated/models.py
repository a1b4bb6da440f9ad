from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers.core.call import Call
from handlers.core.models import Offer, find_list
from handlers.wire import llama_model
from handlers.wire.reply import Reply


async def models_list(call: Call) -> Reply:
    return Reply((await find_list(call)).show("openai", _list))


async def llama_models_list(call: Call) -> Reply:
    """The list of January 2025, which the document lacks and its own client asks for."""
    return Reply((await find_list(call)).show("llama", llama_model.render_list))


def _list(offers: Sequence[Offer]) -> dict[str, Any]:
    data = [
        {"id": offer.model.id, "object": "model", "created": offer.model.created, "owned_by": offer.model.owned_by}
        for offer in offers
        if offer.available
    ]
    return {"data": data}
