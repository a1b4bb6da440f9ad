"""Traces, computed from the requests that name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select

from storage.chat_record import TraceEntry
from storage.database import Database
from storage.tables.chats import TraceEntryRow
from storage.tables.traffic import RequestRow
from storage.tables.types import core

ENTRIES = core(TraceEntryRow)
REQUESTS = core(RequestRow)
FIELDS = tuple(ENTRIES.c[name] for name in TraceEntry.__slots__)


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """A request that still runs is neither a success nor an error."""

    trace_id: str
    first_seen: datetime
    last_seen: datetime
    requests: int
    containers: int
    cost_micros: int
    successes: int
    errors: int
    name: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """`state` is the request's, as `storage.ledger_record.State` has it."""

    entry: TraceEntry
    state: str


@dataclass(frozen=True, slots=True)
class Traces:
    database: Database

    async def list(self, project_id: str, *, limit: int, offset: int = 0) -> list[TraceSummary]:
        """Those last seen first."""
        last_seen = func.max(ENTRIES.c.at)
        query = (
            select(
                ENTRIES.c.trace_id,
                func.min(ENTRIES.c.at),
                last_seen,
                func.count(),
                func.count(ENTRIES.c.container_id.distinct()),
                func.sum(REQUESTS.c.cost_micros),
                _how_many("completed"),
                _how_many("failed", "interrupted"),
            )
            .join(REQUESTS, REQUESTS.c.request_id == ENTRIES.c.request_id)
            .where(ENTRIES.c.project_id == project_id)
            .group_by(ENTRIES.c.trace_id)
            .order_by(last_seen.desc(), ENTRIES.c.trace_id)
            .limit(limit)
            .offset(offset)
        )
        async with self.database.reading(settled=True) as connection:
            rows = (await connection.execute(query)).all()
        trace_ids = [row[0] for row in rows]
        names = await self._latest(project_id, trace_ids, ENTRIES.c.name)
        sources = await self._latest(project_id, trace_ids, ENTRIES.c.source)
        return [_summary(row, names.get(row[0]), sources.get(row[0])) for row in rows]

    async def count(self, project_id: str) -> int:
        query = select(func.count(ENTRIES.c.trace_id.distinct())).where(ENTRIES.c.project_id == project_id)
        async with self.database.reading(settled=True) as connection:
            return int((await connection.execute(query)).scalar_one())

    async def requests(self, project_id: str, trace_id: str) -> Sequence[TracedRequest]:
        """Oldest first; none for a trace that the project does not have."""
        query = (
            select(*FIELDS, REQUESTS.c.state)
            .join(REQUESTS, REQUESTS.c.request_id == ENTRIES.c.request_id)
            .where(ENTRIES.c.project_id == project_id, ENTRIES.c.trace_id == trace_id)
            .order_by(ENTRIES.c.at, ENTRIES.c.request_id)
        )
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(query)
        return [TracedRequest(TraceEntry(*row[:-1]), row[-1]) for row in rows]

    async def _latest(self, project_id: str, trace_ids: Sequence[str], told: ColumnElement[str]) -> dict[str, str]:
        """What the latest request of each trace that tells it says."""
        age = func.row_number().over(
            partition_by=ENTRIES.c.trace_id, order_by=(ENTRIES.c.at.desc(), ENTRIES.c.request_id.desc())
        )
        mine = (ENTRIES.c.project_id == project_id) & ENTRIES.c.trace_id.in_(trace_ids) & told.is_not(None)
        ranked = select(ENTRIES.c.trace_id, told.label("told"), age.label("age")).where(mine).subquery()
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(select(ranked.c.trace_id, ranked.c.told).where(ranked.c.age == 1))
        return {row[0]: row[1] for row in rows}


def _how_many(*states: str) -> ColumnElement[int]:
    return func.sum(case((REQUESTS.c.state.in_(states), 1), else_=0))


def _summary(row: Sequence[Any], name: str | None, source: str | None) -> TraceSummary:
    trace_id, first_seen, last_seen, *counts = row
    requests, containers, cost_micros, successes, errors = map(int, counts)
    return TraceSummary(
        trace_id, first_seen, last_seen, requests, containers, cost_micros, successes, errors, name, source
    )
