"""What a Box has used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from handlers.core.box.documents import Document, find_box, text_bytes
from handlers.core.call import Call
from handlers.core.models import find_model
from handlers.core.pricing import pick_price
from storage.repositories.box import BoxQueries, BoxQuery, BoxTotals

RECENT = 20


@dataclass(frozen=True, slots=True)
class Use:
    """`cost_micros` is that of all questions, and of embedding the documents that are there at today's price."""

    totals: BoxTotals
    extracted_bytes: int
    embedding_tokens: int
    cost_micros: int
    last_indexed_at: datetime | None


async def recent_queries(call: Call) -> Sequence[BoxQuery]:
    """The newest first."""
    return await BoxQueries(call.services.retrieval.index.database).recent(call.caller.project_id, RECENT)


async def read_usage(held: Sequence[Document], call: Call) -> Use:
    totals = await BoxQueries(call.services.retrieval.index.database).totals(call.caller.project_id)
    box = await find_box(call.caller.project_id, call)
    embedded = sum(document.file.tokens for document in held)
    cost_micros = 0
    if box is not None and (offer := await find_model(box.embedding_model, call)):
        price = pick_price(offer.model, offer.provider, embedded)
        cost_micros = int(price.input_usd * embedded) if price else 0
    return Use(
        totals=totals,
        extracted_bytes=sum(text_bytes(document.file, box) for document in held) if box else 0,
        embedding_tokens=embedded,
        cost_micros=totals.cost_micros + cost_micros,
        last_indexed_at=max((one.file.indexed_at for one in held if one.file.indexed_at), default=None),
    )
