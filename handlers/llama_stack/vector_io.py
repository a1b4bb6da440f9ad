from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, get_args

from codegen.generated.llama_stack.routes import VectorChunksInsertBody, VectorChunksQueryBody
from handlers.core.call import Call
from handlers.core.errors import Invalid
from handlers.core.retrieval.inserting import NewDocument, Passage, insert_documents, whole
from handlers.core.retrieval.searching import Mode, SearchAsk, search_store
from handlers.core.retrieval.stores import get_store
from handlers.wire.llama import passages
from handlers.wire.llama.messages import plain_text

MAX_CHUNKS = 3
"""Found when nobody says how many."""


async def vector_chunks_insert(body: VectorChunksInsertBody, call: Call) -> None:
    data: dict[str, Any] = body.data
    store = await get_store(data["vector_db_id"], call)
    if data["chunks"]:
        document = NewDocument(await asyncio.to_thread(_passages, data["chunks"]))
        await insert_documents(store, [document], call, data.get("ttl_seconds"))


async def vector_chunks_query(body: VectorChunksQueryBody, call: Call) -> dict[str, Any]:
    """`params` may say `max_chunks`, `score_threshold` and `mode`: `vector`, `keyword` or `hybrid`."""
    data: dict[str, Any] = body.data
    params = data.get("params") or {}
    limit, threshold = params.get("max_chunks", MAX_CHUNKS), params.get("score_threshold") or 0.0
    mode: Any = params.get("mode") or "hybrid"
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise Invalid("max_chunks must be an integer", param="params")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise Invalid("score_threshold must be a number", param="params")
    if mode not in get_args(Mode):
        raise Invalid(f"mode must be one of {', '.join(get_args(Mode))}", param="params")
    question = plain_text(data["query"], "query", "a search takes")
    ask = SearchAsk(texts=[question], limit=limit, mode=mode, threshold=threshold)
    hits = await search_store(data["vector_db_id"], ask, call)
    return {"chunks": [passages.render(hit) for hit in hits.found], "scores": [hit.score for hit in hits.found]}


def _passages(chunks: Sequence[dict[str, Any]]) -> list[Passage]:
    made = []
    for given in chunks:
        text = plain_text(given["content"], "chunks", "chunks take")
        extra = {"metadata": given["metadata"]}
        if not isinstance(given["content"], str):
            extra["content"] = given["content"]
        made.append(whole(text, extra))
    return made
