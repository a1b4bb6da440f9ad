"""Captured messages, read and forgotten; `storage.ledger` writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, literal_column, select

from storage.captured import CapturedMessage
from storage.database import Database
from storage.repositories import captured_in_sqlite
from storage.repositories.captured_in_sqlite import MOST_RANKED, Effort, Hit, Phrase, Search
from storage.tables.captured import CapturedMessageRow
from storage.tables.tenancy import ProjectRow
from storage.tables.types import core, plain

__all__ = ["CapturedMessages", "Effort", "Hit", "Phrase", "Search"]

MESSAGES = core(CapturedMessageRow)
PROJECTS = core(ProjectRow)
FIELDS = tuple(MESSAGES.c[name] for name in CapturedMessage.__slots__)
EFFORT = Effort()


@dataclass(frozen=True, slots=True)
class CapturedMessages:
    database: Database
    effort: Effort = EFFORT

    async def of_request(self, request_id: str) -> list[CapturedMessage]:
        query = select(*FIELDS).where(MESSAGES.c.request_id == request_id).order_by(MESSAGES.c.message_seq)
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(query)
        return [CapturedMessage(**plain(row)) for row in rows]

    async def of_requests(self, request_ids: Collection[str]) -> list[CapturedMessage]:
        """In the order of the requests' ids."""
        query = select(*FIELDS).where(MESSAGES.c.request_id.in_(request_ids))
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(query.order_by(MESSAGES.c.request_id, MESSAGES.c.message_seq))
        return [CapturedMessage(**plain(row)) for row in rows]

    async def count(self, since: datetime) -> int:
        """Of all projects. Each is counted by itself, for that is how they are indexed."""
        own = select(func.count()).where(MESSAGES.c.project_id == PROJECTS.c.id, MESSAGES.c.at >= since)
        query = select(func.coalesce(func.sum(own.scalar_subquery()), 0)).select_from(PROJECTS)
        async with self.database.reading(settled=True) as connection:
            return int((await connection.execute(query)).scalar_one())

    async def get(self, ids: Sequence[int]) -> dict[int, CapturedMessage]:
        """By row; those that are gone are left out."""
        async with self.database.reading(settled=True) as connection:
            rows = await connection.execute(select(MESSAGES.c.id, *FIELDS).where(MESSAGES.c.id.in_(ids)))
        return {fields.pop("id"): CapturedMessage(**fields) for fields in map(plain, rows)}

    async def search(self, wanted: Search, limit: int) -> list[Hit]:
        """The best first; on SQLite the newest, where all of the words are common."""
        async with self.database.reading(settled=True) as connection:
            if self.database.dialect == "sqlite":
                return await captured_in_sqlite.find(wanted, limit, self.effort, connection)
            query = _best(_newest(_postgres(wanted), MOST_RANKED), limit)
            rows = (await connection.execute(query)).all()
        return [Hit(row.id, row.score) for row in rows]

    async def purge(self, project_id: str, before: datetime, limit: int) -> int:
        """Forgets up to `limit` messages from before then; answers how many there were."""
        old = (
            select(MESSAGES.c.id)
            .where(MESSAGES.c.project_id == project_id, MESSAGES.c.at < before)
            .order_by(MESSAGES.c.at)
            .limit(limit)
        )
        async with self.database.writing(settled=True) as tx:
            result = await tx.execute(delete(MESSAGES).where(MESSAGES.c.id.in_(old.scalar_subquery())))
        return int(result.rowcount)

    async def merge(self) -> bool:
        """Keeps SQLite's index of words in few pieces, a little at a time, so that no answer waits long; whether there
        may be more to do."""
        if self.database.dialect != "sqlite":
            return False
        async with self.database.writing() as tx:
            return await captured_in_sqlite.merge(tx)


def _postgres(wanted: Search) -> Select[Any]:
    words = " & ".join("(" + " <-> ".join(f"'{word}'" for word in phrase) + ")" for phrase in wanted.phrases)
    query = func.to_tsquery("simple", words)
    terms: ColumnElement[Any] = literal_column("terms")
    score = func.ts_rank(terms, query, 1).label("score")
    return select(MESSAGES.c.id, score).where(terms.op("@@")(query), *_filters(wanted))


def _newest(matches: Select[Any], most: int) -> Select[Any]:
    return matches.order_by(literal_column("id").desc()).limit(most)


def _best(matches: Select[Any], limit: int) -> Select[Any]:
    found = matches.subquery()
    return select(found).order_by(found.c.score.desc(), found.c.id.desc()).limit(limit)


def _filters(wanted: Search) -> list[ColumnElement[bool]]:
    equal = {name: getattr(wanted, name) for name in ("project_id", "kind", "role", "model")}
    found = [MESSAGES.c[name] == value for name, value in equal.items() if value is not None]
    if wanted.since is not None:
        found.append(MESSAGES.c.at >= wanted.since)
    if wanted.before is not None:
        found.append(MESSAGES.c.at < wanted.before)
    return found
