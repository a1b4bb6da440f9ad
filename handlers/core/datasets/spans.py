"""Spans of a project's telemetry saved as rows of a dataset of its own."""

from __future__ import annotations

from typing import Any

from handlers.core import telemetry
from handlers.core.call import Call
from handlers.core.datasets import datasets
from handlers.core.telemetry import Query, Span


async def save_spans(query: Query, dataset_id: str, call: Call) -> int:
    """A row each: what every span has, and the attributes that `query` names. Answers how many rows there are then.
    Raises what `query_spans` and `append` say."""
    await datasets.get(dataset_id, call)
    spans = await telemetry.query_spans(query, call)
    return await datasets.append(dataset_id, [_row(span) for span in spans], call)


def _row(span: Span) -> dict[str, Any]:
    return {
        **span.attributes,
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "start_time": span.started_at.isoformat(),
        "end_time": None if span.ended_at is None else span.ended_at.isoformat(),
    }
