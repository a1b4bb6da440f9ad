"""Limits, and how much of each is handed out in the current window."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import delete, select

from storage.database import Database, Transaction
from storage.tables.spending import LimitRow, LimitWindowRow
from storage.tables.types import core, plain

LIMITS = core(LimitRow)
WINDOWS = core(LimitWindowRow)


@dataclass(frozen=True, slots=True)
class Limit:
    """`subject_id` is the id of the project or of one of its keys. None limits nothing."""

    subject_id: str
    project_id: str
    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    micro_usd_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time that starts at a whole multiple of its length; both in unix seconds."""

    project_id: str
    subject_id: str
    metric: str
    start: int
    length_seconds: int


@dataclass(frozen=True, slots=True)
class Limits:
    database: Database

    async def put(self, tx: Transaction, limit: Limit) -> None:
        fields = asdict(limit)
        statement = self.database.insert(LIMITS).values(fields)
        await tx.execute(statement.on_conflict_do_update(index_elements=["subject_id"], set_=fields))

    async def get(self, project_id: str, subject_id: str) -> Limit | None:
        found = await self.of(project_id, (subject_id,))
        return found[0] if found else None

    async def of(self, project_id: str, subject_ids: tuple[str, ...], tx: Transaction | None = None) -> list[Limit]:
        query = select(LIMITS).where(LIMITS.c.project_id == project_id, LIMITS.c.subject_id.in_(subject_ids))
        async with self.database.reading(tx) as connection:
            rows = await connection.execute(query)
        return [Limit(**plain(row)) for row in rows]

    async def delete(self, tx: Transaction, project_id: str, subject_id: str) -> None:
        await tx.execute(delete(LIMITS).where(LIMITS.c.project_id == project_id, LIMITS.c.subject_id == subject_id))

    async def take(self, window: Window, most: int, least: int, ceiling: int) -> int:
        """Hands out `most` units, else `least`, else 0: what is handed out never passes `ceiling`."""
        if least > ceiling:
            return 0
        async with self.database.writing() as tx:
            for amount in dict.fromkeys((most, least)):
                if amount <= ceiling and await self._add(tx, window, amount, ceiling):
                    return amount
        return 0

    async def charge(self, window: Window, amount: int) -> None:
        """Counts what was spent already, even beyond the ceiling; a negative amount is given back."""
        async with self.database.writing() as tx:
            await self._add(tx, window, amount, None)

    async def _add(self, tx: Transaction, window: Window, amount: int, ceiling: int | None) -> bool:
        taken = WINDOWS.c.taken + amount
        row = {
            "subject_id": window.subject_id,
            "metric": window.metric,
            "window_start": window.start,
            "project_id": window.project_id,
            "taken": max(0, amount),
        }
        statement = (
            self.database.insert(WINDOWS)
            .values(row)
            .on_conflict_do_update(
                index_elements=["subject_id", "metric", "window_start"],
                set_={"taken": taken},
                where=None if ceiling is None else taken <= ceiling,
            )
            .returning(WINDOWS.c.taken)
        )
        total = (await tx.execute(statement)).scalar_one_or_none()
        if total == amount:
            await self._forget_before(tx, window)
        return total is not None

    async def _forget_before(self, tx: Transaction, window: Window) -> None:
        """Drops windows that are past even for a process whose clock is slow."""
        await tx.execute(
            delete(WINDOWS).where(
                WINDOWS.c.subject_id == window.subject_id,
                WINDOWS.c.metric == window.metric,
                WINDOWS.c.window_start < window.start - 2 * window.length_seconds,
            )
        )

    async def purge(self, before: int) -> int:
        """Drops every project's windows that started before then (unix seconds); answers how many."""
        async with self.database.writing() as tx:
            return (await tx.execute(delete(WINDOWS).where(WINDOWS.c.window_start < before))).rowcount

    async def taken(self, window: Window) -> int:
        """Units handed out in the window so far."""
        query = select(WINDOWS.c.taken).where(
            WINDOWS.c.subject_id == window.subject_id,
            WINDOWS.c.metric == window.metric,
            WINDOWS.c.window_start == window.start,
            WINDOWS.c.project_id == window.project_id,
        )
        async with self.database.reading() as connection:
            found: int | None = await connection.scalar(query)
        return found or 0
