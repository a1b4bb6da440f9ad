"""Lists of traces: those that clients logged, and those that their requests make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from storage.database import Database
from storage.repositories.telemetry import attributes, requests
from storage.repositories.telemetry.attributes import Condition
from storage.repositories.telemetry.log import TRACES


@dataclass(frozen=True, slots=True)
class LoggedTrace:
    """It ends when its root does."""

    trace_id: str
    root_span_id: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class TracePage:
    """A trace is found when one of its spans meets all conditions."""

    conditions: Sequence[Condition] = ()
    limit: int = 100
    offset: int = 0
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class LoggedTraces:
    """Up to `many` traces that meet the conditions are fetched and put in order; among more, those wanted are looked
    for in the order wanted, where they must be frequent."""

    database: Database
    many: int = 10_000

    async def get(self, project_id: str, trace_id: str, now: datetime) -> LoggedTrace | None:
        logged = _live(project_id, now).where(TRACES.c.trace_id == trace_id)
        alone = requests.request_id_in(trace_id)
        named = requests.ENTRIES.c.trace_id == trace_id
        unnamed = requests.ENTRIES.c.trace_id.is_(None) & (requests.C.request_id == alone)
        own = requests.heads(project_id, now).where(or_(named, unnamed) if alone else named)
        async with self.database.reading() as connection:
            row = (await connection.execute(logged)).one_or_none()
            if row is not None:
                return _logged(row)
            found = (await connection.execute(own)).first()
        return None if found is None else _own(found)

    async def list(self, project_id: str, page: TracePage, now: datetime) -> Sequence[LoggedTrace]:
        """By their start."""
        behind = replace(page, limit=page.offset + page.limit, offset=0)
        found = [*await self._logged(project_id, behind, now), *await self._own(project_id, behind, now)]
        found.sort(key=lambda trace: (trace.started_at, trace.trace_id), reverse=page.newest_first)
        return found[page.offset : page.offset + page.limit]

    async def _logged(self, project_id: str, page: TracePage, now: datetime) -> Sequence[LoggedTrace]:
        query = _live(project_id, now)
        if page.conditions:
            few = await self._few(project_id, page.conditions)
            query = query.where(_met(page.conditions) if few is None else TRACES.c.trace_id.in_(few))
        async with self.database.reading() as connection:
            rows = await connection.execute(_ordered(query, TRACES.c.started_at, TRACES.c.trace_id, page))
        return [_logged(row) for row in rows]

    async def _few(self, project_id: str, conditions: Sequence[Condition]) -> Sequence[str] | None:
        """The ids of all traces that meet the conditions; None when they are many."""
        ways = [attributes.matching(project_id, conditions), requests.entries_holding(project_id, conditions)]
        found: set[str] = set()
        async with self.database.reading() as connection:
            for way in ways:
                if way is not None:
                    found.update((await connection.execute(way.limit(self.many + 1))).scalars())
                if len(found) > self.many:
                    return None
        return list(found)

    async def _own(self, project_id: str, page: TracePage, now: datetime) -> Sequence[LoggedTrace]:
        query = requests.heads(project_id, now)
        if page.conditions:
            met = requests.holds(page.conditions)
            if met is None:
                return []
            named = requests.ENTRIES.c.trace_id.is_not(None)
            query = query.where(or_(met, and_(named, requests.any_in(requests.ENTRIES, page.conditions))))
        async with self.database.reading() as connection:
            rows = await connection.execute(_ordered(query, requests.C.started_at, requests.C.request_id, page))
        return [_own(row) for row in rows]


def _live(project_id: str, now: datetime) -> Select[Any]:
    return select(TRACES).where(TRACES.c.project_id == project_id, TRACES.c.expires_at > now)


def _met(conditions: Sequence[Condition]) -> ColumnElement[bool]:
    return or_(attributes.any_in(TRACES, conditions), requests.any_in(TRACES, conditions))


def _ordered(query: Select[Any], at: ColumnElement[Any], key: ColumnElement[Any], page: TracePage) -> Select[Any]:
    place = (at.desc(), key.desc()) if page.newest_first else (at, key)
    return query.order_by(*place).limit(page.limit)


def _logged(row: Any) -> LoggedTrace:
    return LoggedTrace(row.trace_id, row.root_span_id, row.started_at, row.ended_at)


def _own(row: Any) -> LoggedTrace:
    return LoggedTrace(
        row.trace_id or requests.trace_id_of(row.request_id),
        requests.span_id_of(row.request_id),
        row.started_at,
        requests.end_of(row.started_at, row.duration_us),
    )
