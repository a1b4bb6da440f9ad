"""What was asked of Project Boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from storage.database import Database
from storage.tables.box import BoxQueryRow, BoxTotalsRow
from storage.tables.types import core, plain

QUERIES, TOTALS = core(BoxQueryRow), core(BoxTotalsRow)
KEPT = 200
"""Queries of a project that are remembered, the last ones."""


@dataclass(frozen=True, slots=True)
class BoxQuery:
    """`retrieved` is a list of `[chunk id, score]`."""

    project_id: str
    id: str
    created_at: datetime
    question: str
    answer: str
    model: str
    tokens: int
    cost_micros: int
    retrieved: list[Any]


@dataclass(frozen=True, slots=True)
class BoxTotals:
    queries: int = 0
    tokens: int = 0
    cost_micros: int = 0


@dataclass(frozen=True, slots=True)
class BoxQueries:
    database: Database

    async def add(self, query: BoxQuery) -> None:
        """Counts it, and forgets what is too old."""
        more = {"queries": 1, "tokens": query.tokens, "cost_micros": query.cost_micros}
        counted = self.database.insert(TOTALS).values(project_id=query.project_id, **more)
        grown = {name: TOTALS.c[name] + value for name, value in more.items()}
        upsert = counted.on_conflict_do_update(index_elements=["project_id"], set_=grown).returning(TOTALS.c.queries)
        async with self.database.writing() as tx:
            number = (await tx.execute(upsert)).scalar_one()
            await tx.execute(QUERIES.insert().values(number=number, **asdict(query)))
            mine = QUERIES.c.project_id == query.project_id
            await tx.execute(delete(QUERIES).where(mine, QUERIES.c.number <= number - KEPT))

    async def recent(self, project_id: str, limit: int) -> Sequence[BoxQuery]:
        """The newest first."""
        columns = [column for column in QUERIES.c if column.name != "number"]
        query = select(*columns).where(QUERIES.c.project_id == project_id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(QUERIES.c.number.desc()).limit(limit))
        return [BoxQuery(**plain(row)) for row in rows]

    async def totals(self, project_id: str) -> BoxTotals:
        query = select(TOTALS.c.queries, TOTALS.c.tokens, TOTALS.c.cost_micros)
        async with self.database.reading() as connection:
            row = (await connection.execute(query.where(TOTALS.c.project_id == project_id))).one_or_none()
        return BoxTotals() if row is None else BoxTotals(**plain(row))
