"""Lists of traces: those that clients logged, and those that their requests make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, String, and_, cast, func, null, or_, select, union_all

from storage.database import Database
from storage.repositories.telemetry import attributes, requests
from storage.repositories.telemetry.attributes import Condition
from storage.repositories.telemetry.log import TRACES
from storage.tables.types import Instant


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
        logged = (await self._logged(project_id, (), now)).where(TRACES.c.trace_id == trace_id)
        own = _own(project_id, now)
        named = requests.named(project_id, [trace_id])
        alone = and_(requests.C.request_id == requests.request_id_in(trace_id), requests.ENTRIES.c.trace_id.is_(None))
        async with self.database.reading(settled=True) as connection:
            for query in (logged, own.where(named), own.where(alone)):
                row = (await connection.execute(query)).one_or_none()
                if row is not None:
                    return _trace(row)
        return None

    async def list(self, project_id: str, page: TracePage, now: datetime) -> Sequence[LoggedTrace]:
        """By their start."""
        sources = [await self._logged(project_id, page.conditions, now)]
        sources += await self._made(project_id, page.conditions, now)
        behind = page.offset + page.limit
        parts = [_ordered(source, page).limit(behind).subquery() for source in sources]
        everything = union_all(*(select(part) for part in parts)).subquery()
        query = _ordered(select(everything), page).limit(page.limit).offset(page.offset)
        async with self.database.reading(settled=True) as connection:
            return [_trace(row) for row in await connection.execute(query)]

    async def _logged(self, project_id: str, conditions: Sequence[Condition], now: datetime) -> Select[Any]:
        """As `_own`, with the conditions."""
        nothing = cast(null(), String).label("named"), cast(null(), BigInteger).label("duration_us")
        shown = (
            TRACES.c.trace_id.label("key"),
            *(TRACES.c[name] for name in ("started_at", "root_span_id", "ended_at")),
        )
        query = select(*shown, *nothing).where(_is_live(project_id, now))
        if not conditions:
            return query
        few = await self._few(project_id, conditions)
        if few is not None:
            return query.where(TRACES.c.trace_id.in_(few))
        return query.where(or_(attributes.any_in(TRACES, conditions), requests.any_in(TRACES, conditions)))

    async def _made(self, project_id: str, conditions: Sequence[Condition], now: datetime) -> Sequence[Select[Any]]:
        """As `_own`, with the conditions. Requests by themselves are found apart from those in traces, so that an index
        of what is asked for may lead to them."""
        met, named = requests.holds(conditions), requests.ENTRIES.c.trace_id
        if met is None:
            return []
        own = _own(project_id, now)
        holding = await self._holding(project_id, conditions) if conditions else None
        if holding is not None:
            alone = own.where(named.is_(None), met)
            return [*_by_kind(alone), own.where(requests.named(project_id, holding))]
        if conditions:
            own = own.where(or_(met, and_(named.is_not(None), requests.any_in(requests.ENTRIES, conditions))))
        return _by_kind(own)

    async def _holding(self, project_id: str, conditions: Sequence[Condition]) -> Sequence[str] | None:
        """The ids of the traces with a request that meets all conditions; None where many requests are in traces."""
        found = requests.entries_holding(project_id, conditions)
        some = select(requests.ENTRIES.c.request_id).where(requests.ENTRIES.c.project_id == project_id)
        count = select(func.count()).select_from(some.limit(self.many + 1).subquery())
        async with self.database.reading(settled=True) as connection:
            if found is None or (await connection.execute(count)).scalar_one() > self.many:
                return None
            return list(set((await connection.execute(found)).scalars()))

    async def _few(self, project_id: str, conditions: Sequence[Condition]) -> Sequence[str] | None:
        """The ids of all traces that meet the conditions; None when they are many."""
        leading = await self._leading(project_id, attributes.candidates(conditions))
        if leading is None:
            return None
        rest = [condition for condition in conditions if condition is not leading]
        ways = [
            requests.entries_holding(project_id, conditions),
            attributes.matching(project_id, leading, rest),
        ]
        found: set[str] = set()
        async with self.database.reading(settled=True) as connection:
            for way in ways:
                if way is not None:
                    found.update((await connection.execute(way.limit(self.many + 1))).scalars())
        return list(found) if len(found) <= self.many else None

    async def _leading(self, project_id: str, candidates: Sequence[Condition]) -> Condition | None:
        """The condition that the fewest attributes meet; None when many meet each, or there is no candidate."""
        counts = {}
        async with self.database.reading(settled=True) as connection:
            for number, condition in enumerate(candidates):
                some = attributes.matching(project_id, condition, ()).limit(self.many + 1).subquery()
                counts[number] = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
        fewest = min(counts, key=counts.__getitem__, default=None)
        return None if fewest is None or counts[fewest] > self.many else candidates[fewest]


def _own(project_id: str, now: datetime) -> Select[Any]:
    """Rows for `_trace` of the traces that requests make; `key` is a request's id."""
    nothing = cast(null(), String).label("root_span_id"), cast(null(), Instant).label("ended_at")
    named = requests.ENTRIES.c.trace_id.label("named")
    shown = (requests.C.request_id.label("key"), requests.C.started_at, *nothing, named, requests.C.duration_us)
    return requests.heads(project_id, now).with_only_columns(*shown)


def _by_kind(query: Select[Any]) -> list[Select[Any]]:
    return [requests.asked(query, a_model=a_model) for a_model in (True, False)]


def _is_live(project_id: str, now: datetime) -> ColumnElement[bool]:
    return and_(TRACES.c.project_id == project_id, TRACES.c.expires_at > now)


def _ordered(query: Select[Any], page: TracePage) -> Select[Any]:
    columns = query.selected_columns
    place = (columns.started_at, columns.key)
    return query.order_by(*(column.desc() if page.newest_first else column for column in place))


def _trace(row: Any) -> LoggedTrace:
    if row.root_span_id is not None:
        return LoggedTrace(row.key, row.root_span_id, row.started_at, row.ended_at)
    return LoggedTrace(
        row.named or requests.trace_id_of(row.key),
        requests.span_id_of(row.key),
        row.started_at,
        requests.end_of(row.started_at, row.duration_us),
    )
