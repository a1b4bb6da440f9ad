from __future__ import annotations

from dataclasses import replace
from typing import Any

from codegen.generated.ipop.routes import EmbeddingsCreateBody
from handlers.core import embeddings
from handlers.core.call import Call
from handlers.ipop import wishes
from handlers.ipop.metadata import answered, routed
from handlers.wire import openai_chat, openai_embeddings


async def embeddings_create(body: EmbeddingsCreateBody, call: Call) -> dict[str, Any]:
    data: dict[str, Any] = body.data
    openai_chat.note_metadata(data, ("metadata",), call)
    metadata = data.get("metadata") or {}
    ask = replace(
        openai_embeddings.ask_of(data, leave_out=("metadata",)),
        **wishes.read(metadata, call).as_arguments,
    )
    embedded = await embeddings.embed(ask, call)
    return {
        "id": call.services.new_id("emb"),
        "object": "list",
        "created": int(call.services.clock()),
        "model": embedded.attempt.model.id,
        "data": openai_embeddings.data_of(embedded, data),
        "usage": openai_chat.usage_body(embedded.usage),
        "ipop": answered(call, embedded.cost_micros) | routed(metadata, ask, embedded.attempt, call),
    }
