"""Captured messages, read and forgotten; `storage.ledger` writes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, column, delete, func, literal, literal_column, select, table
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.captured import CapturedMessage
from storage.database import Database
from storage.tables.captured import CapturedMessageRow
from storage.tables.tenancy import ProjectRow
from storage.tables.types import core, plain

MESSAGES = core(CapturedMessageRow)
PROJECTS = core(ProjectRow)
FIELDS = tuple(MESSAGES.c[name] for name in CapturedMessage.__slots__)
TEXT = table("captured_messages_text", column("rowid"))
# the sign keeps SQLite from asking the index once for each of the rows
SCANNED_ROWID: ColumnElement[Any] = literal_column("+captured_messages_text.rowid")
WHOLE: ColumnElement[Any] = literal_column("captured_messages_text")

MOST_RANKED = 2_000
"""Of more matches only so many, the newest, are ranked."""
SAMPLED = 2_000
COMMON_SHARE = 0.1
"""A word or phrase that stands in more of the newest messages, of which so many are looked at, says little, and to rank
by it every message that holds it would have to be counted: it must be there, but is not ranked by."""

Phrase = tuple[str, ...]
"""Words, of letters and digits alone, that stand one behind the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`phrases` must all be there; None of the rest is any. `since` is inclusive, `before` is not."""

    phrases: Sequence[Phrase]
    project_id: str | None = None
    kind: str | None = None
    role: str | None = None
    model: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """`id` is the message's row; a higher `score` is a better match."""

    id: int
    score: float


@dataclass(frozen=True, slots=True)
class CapturedMessages:
    """Up to `few` messages words are never too common: then nothing takes long."""

    database: Database
    few: int = 100_000

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
                telling = [phrase for phrase in wanted.phrases if not await self._is_common(phrase, connection)]
                query = _sqlite(wanted, telling, limit)
            else:
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

    async def _is_common(self, phrase: Phrase, connection: AsyncConnection) -> bool:
        newest = int(await connection.scalar(select(func.max(MESSAGES.c.id))) or 0)
        if newest <= self.few:
            return False
        found = select(TEXT.c.rowid).where(_holds([phrase]), TEXT.c.rowid > newest - SAMPLED).subquery()
        return int(await connection.scalar(select(func.count()).select_from(found)) or 0) > SAMPLED * COMMON_SHARE


def _sqlite(wanted: Search, telling: Sequence[Phrase], limit: int) -> Select[Any]:
    """`telling` are the phrases to rank by."""
    score = (-func.bm25(WHOLE) if telling else literal(0.0)).label("score")
    if not telling or len(telling) == len(wanted.phrases):
        matches = select(TEXT.c.rowid.label("id"), score)
        return _best(_newest(_only(matches, wanted), MOST_RANKED if telling else limit), limit)
    chosen = _newest(_only(select(TEXT.c.rowid.label("id")), wanted), MOST_RANKED).cte("chosen")
    # the least of them bounds what is read of the index
    least = select(func.min(chosen.c.id)).scalar_subquery()
    ranked = select(TEXT.c.rowid.label("id"), score).where(
        _holds(telling), TEXT.c.rowid >= least, SCANNED_ROWID.in_(select(chosen.c.id))
    )
    return _best(ranked, limit)


def _holds(phrases: Sequence[Phrase]) -> ColumnElement[bool]:
    return WHOLE.op("MATCH", is_comparison=True)(" AND ".join('"' + " ".join(phrase) + '"' for phrase in phrases))


def _only(matches: Select[Any], wanted: Search) -> Select[Any]:
    chosen = _filters(wanted)
    matches = matches.where(_holds(wanted.phrases))
    return matches.join(MESSAGES, MESSAGES.c.id == TEXT.c.rowid).where(*chosen) if chosen else matches


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
