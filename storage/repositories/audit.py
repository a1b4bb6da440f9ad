"""What administrators did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from storage.database import Database, Transaction
from storage.tables.tenancy import AuditRow
from storage.tables.types import core, plain

AUDIT = core(AuditRow)


@dataclass(frozen=True, slots=True)
class Entry:
    """`act` is `<noun>.<verb>` and `target` the id or slug it was done to; no `detail` holds a secret."""

    at: datetime
    actor: str
    act: str
    target: str
    project_id: str | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Audit:
    database: Database

    async def append(self, tx: Transaction, entry: Entry) -> None:
        await tx.execute(AUDIT.insert().values(asdict(entry)))

    async def list(self, project_id: str | None = None, limit: int = 100) -> list[Entry]:
        """Newest first; None is every project's, and what concerns none."""
        columns = [column for column in AUDIT.c if column.name != "id"]
        query = select(*columns).order_by(AUDIT.c.id.desc()).limit(limit)
        if project_id is not None:
            query = query.where(AUDIT.c.project_id == project_id)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [Entry(**plain(row)) for row in rows]
