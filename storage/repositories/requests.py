"""The ledger's requests, read; `storage.ledger` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select, tuple_

from storage import ledger_record
from storage.database import Database
from storage.ledger_record import Record
from storage.tables.traffic import RequestRow
from storage.tables.types import core

REQUESTS = core(RequestRow)
FIELDS = tuple(REQUESTS.c[name] for name in ledger_record.FIELDS)


@dataclass(frozen=True, slots=True)
class Requests:
    database: Database

    async def get(self, project_id: str, request_id: str) -> Record | None:
        query = _of(project_id).where(REQUESTS.c.request_id == request_id)
        async with self.database.reading(settled=True) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else record(row)

    async def find(self, request_id: str) -> Record | None:
        """Of any project."""
        async with self.database.reading(settled=True) as connection:
            row = (await connection.execute(select(*FIELDS).where(REQUESTS.c.request_id == request_id))).one_or_none()
        return None if row is None else record(row)

    async def list(self, project_id: str, *, limit: int = 20, after: str | None = None) -> list[Record]:
        """Newest first, from the one behind the request `after` on; nothing when the project has no such request."""
        place = (REQUESTS.c.started_at, REQUESTS.c.request_id)
        query = _of(project_id).order_by(*(column.desc() for column in place)).limit(limit)
        if after is not None:
            cursor = select(*place).where(REQUESTS.c.project_id == project_id, REQUESTS.c.request_id == after)
            query = query.where(tuple_(*place) < cursor.scalar_subquery())
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(query)
        return [record(row) for row in rows]


def _of(project_id: str) -> Select[Any]:
    return select(*FIELDS).where(REQUESTS.c.project_id == project_id)


def record(row: Sequence[Any]) -> Record:
    """A record from a row that starts with `FIELDS`."""
    fields = dict(zip(ledger_record.FIELDS, row, strict=False))
    fields["started_at"] = fields["started_at"].timestamp()
    return Record(**fields)
