from __future__ import annotations

from typing import Any

from handlers.core.call import Call
from handlers.core.models import list_models
from handlers.wire import llama_model


async def models_list(call: Call) -> dict[str, Any]:
    data = [
        {"id": offer.model.id, "object": "model", "created": offer.model.created, "owned_by": offer.model.owned_by}
        for offer in await list_models(call)
        if offer.available
    ]
    return {"data": data}


async def llama_models_list(call: Call) -> dict[str, Any]:
    """The list of January 2025, which the document lacks and its own client asks for."""
    return llama_model.render_list(await list_models(call))
