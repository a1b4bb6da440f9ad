"""Spans, logged by clients or seen in the ledger, by their ids and by their traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, select

from storage.database import Database
from storage.repositories.telemetry import requests
from storage.repositories.telemetry.attributes import SPANS
from storage.repositories.telemetry.requests import Span

__all__ = ["Span", "Spans"]


@dataclass(frozen=True, slots=True)
class Spans:
    database: Database

    async def get(self, project_id: str, trace_id: str, span_id: str, now: datetime) -> Span | None:
        logged = _logged(project_id, now).where(SPANS.c.trace_id == trace_id, SPANS.c.span_id == span_id)
        return await self._one(logged, project_id, span_id, trace_id)

    async def find(self, project_id: str, span_id: str, now: datetime) -> Span | None:
        """In whatever trace it is; the latest, when it is in several."""
        return await self._one(_logged(project_id, now).where(SPANS.c.span_id == span_id), project_id, span_id, None)

    async def of_traces(self, project_id: str, trace_ids: Sequence[str], now: datetime, limit: int) -> Sequence[Span]:
        """The oldest first; of more than `limit`, any so many or more."""
        logged = _logged(project_id, now).where(SPANS.c.trace_id.in_(trace_ids))
        alone = [request_id for trace_id in trace_ids if (request_id := requests.request_id_in(trace_id))]
        seen = requests.seen(project_id).limit(limit)
        unnamed = requests.ENTRIES.c.trace_id.is_(None)
        own = (seen.where(requests.named(project_id, trace_ids)), seen.where(requests.C.request_id.in_(alone), unnamed))
        async with self.database.reading(settled=True) as connection:
            found = [_span(row) for row in await connection.execute(logged.limit(limit))]
            for query in own:
                found += [requests.span_of(row) for row in await connection.execute(query)]
        return sorted(found, key=lambda span: (span.started_at, span.span_id))

    async def _one(self, logged: Select[Any], project_id: str, span_id: str, trace_id: str | None) -> Span | None:
        own = requests.by_itself(span_id)
        async with self.database.reading(settled=True) as connection:
            row = (await connection.execute(logged.order_by(SPANS.c.started_at.desc()).limit(1))).one_or_none()
            if row is not None:
                return _span(row)
            if own is None:
                return None
            query = requests.seen(project_id).where(own, _in(trace_id)).limit(1)
            found = (await connection.execute(query)).one_or_none()
        return None if found is None else requests.span_of(found)


def _in(trace_id: str | None) -> ColumnElement[bool]:
    if trace_id is None:
        return requests.C.request_id.is_not(None)
    alone = requests.request_id_in(trace_id)
    named = requests.ENTRIES.c.trace_id == trace_id
    return named | (requests.ENTRIES.c.trace_id.is_(None) & (requests.C.request_id == alone)) if alone else named


def _logged(project_id: str, now: datetime) -> Select[Any]:
    live = (SPANS.c.project_id == project_id, SPANS.c.started_at.is_not(None), SPANS.c.expires_at > now)
    return select(SPANS).where(*live)


def _span(row: Any) -> Span:
    return Span(
        row.trace_id,
        row.span_id,
        row.parent_span_id,
        row.name,
        row.started_at,
        row.ended_at,
        row.status,
        orjson.loads(row.attributes),
    )
