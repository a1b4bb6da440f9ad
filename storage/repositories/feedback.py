"""What callers thought of answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select

from storage.database import Database
from storage.tables.history import RequestFeedbackRow
from storage.tables.types import core, plain

FEEDBACK = core(RequestFeedbackRow)
FIELDS = tuple(column for column in FEEDBACK.c if column.name != "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """`rating` is -1, 0 or 1; `key_id` is whose it is."""

    request_id: str
    project_id: str
    key_id: str | None
    model: str
    created_at: datetime
    rating: int | None = None
    outcome: str | None = None
    task_type: str | None = None
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    database: Database

    async def insert(self, opinion: Opinion) -> None:
        async with self.database.writing() as tx:
            await tx.execute(FEEDBACK.insert().values(asdict(opinion)))

    async def list(self, request_id: str, limit: int) -> list[Opinion]:
        """Newest first."""
        query = select(*FIELDS).where(FEEDBACK.c.request_id == request_id).order_by(FEEDBACK.c.id.desc()).limit(limit)
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return [Opinion(**plain(row)) for row in rows]

    async def count(self, since: datetime) -> int:
        query = select(func.count()).select_from(FEEDBACK).where(FEEDBACK.c.created_at >= since)
        async with self.database.reading() as connection:
            return int((await connection.execute(query)).scalar_one())
