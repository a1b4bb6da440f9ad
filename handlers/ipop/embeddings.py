from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from codegen.generated.ipop.routes import EmbeddingsCreateBody
from handlers.core import embeddings
from handlers.core.call import Call
from handlers.core.embeddings import Embedded
from handlers.ipop import metadata
from handlers.wire import openai_chat, openai_embeddings


async def embeddings_create(body: EmbeddingsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, ("metadata",), call)
    wishes = data.get("metadata") or {}
    metadata.check_key_policy(wishes)
    budget = wishes.get("max_cost_usd")
    ask = openai_embeddings.ask_of(data, leave_out=("metadata",))
    if budget is not None:
        ask = replace(ask, max_cost_usd=Decimal(str(budget)))
    embedded = await embeddings.embed(ask, call)
    return {
        "id": call.services.new_id("emb"),
        "object": "list",
        "created": int(call.services.clock()),
        "model": embedded.attempt.model.id,
        "data": openai_embeddings.data_of(embedded, data),
        "usage": openai_chat.usage_body(embedded.usage),
        "ipop": _ipop(embedded, call),
    }


def _ipop(embedded: Embedded, call: Call) -> dict[str, Any]:
    attempt = embedded.attempt
    return {
        **metadata.answered(call, embedded.cost_micros),
        "fallback_used": attempt.number > 0,
        "fallback_count": attempt.number,
        "route_class": metadata.route_class(call.record, call),
    }
