from __future__ import annotations

from typing import Any

from handlers.core.call import Call
from handlers.core.models import list_models


async def models_list(call: Call) -> dict[str, Any]:
    data = [
        {"id": offer.model.id, "object": "model", "created": offer.model.created, "owned_by": offer.model.owned_by}
        for offer in await list_models(call)
        if offer.available
    ]
    return {"data": data}
