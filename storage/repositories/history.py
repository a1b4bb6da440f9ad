"""Requests that asked a model, read in pages and as sums.

Pages go from the newest to the oldest by (`started_at`, `request_id`), which never change: nothing comes twice, and
whatever was committed when a walk began is met. A request that ends while somebody walks takes its place by when it
began: below the place reached it is met, too, above it is not. There is no walk from the oldest on: a request that
ends late would enter behind it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, func, literal_column, select, text, tuple_

from storage.database import Database
from storage.ledger.tally import ALL, KEYS, SUMS
from storage.ledger_record import Record
from storage.repositories.requests import FIELDS, REQUESTS, record
from storage.tables.history import RequestHourRow
from storage.tables.traffic import ASKED, IN_VAIN, NOT_COMPLETED
from storage.tables.types import core, instant

HOURS = core(RequestHourRow)
HOUR_SECONDS = 3600
PAGE_ROWS = 100
"""What is read and rendered in one go, while others wait."""


class Place(NamedTuple):
    started_at: datetime
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """What is None does not filter. `since` is the first moment of a request's beginning, `until` the first after the
    last. `finished` leaves out what still runs. Without a project, requests of all."""

    project_id: str | None = None
    request_id: str | None = None
    kinds: Collection[str] | None = None
    api: str | None = None
    model: str | None = None
    state: str | None = None
    key_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    finished: bool = False


@dataclass(frozen=True, slots=True)
class History:
    database: Database

    async def get(self, request_id: str, project_id: str | None = None) -> Record | None:
        found = await self.page(Which(project_id=project_id, request_id=request_id), 1)
        return found[0] if found else None

    async def place(self, request_id: str, project_id: str | None = None) -> Place | None:
        query = select(REQUESTS.c.started_at, REQUESTS.c.request_id).where(REQUESTS.c.request_id == request_id)
        if project_id is not None:
            query = query.where(REQUESTS.c.project_id == project_id)
        async with self.database.reading(settled=True) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Place(*row)

    async def page(self, which: Which, limit: int, after: Place | None = None) -> list[Record]:
        """Newest first, from the one behind `after` on."""
        place = (REQUESTS.c.started_at, REQUESTS.c.request_id)
        query = _chosen(select(*FIELDS), which).order_by(*(column.desc() for column in place)).limit(limit)
        if after is not None:
            query = query.where(tuple_(*place) < tuple_(*after))
        async with self.database.reading(settled=True) as connection:
            rows = (await connection.execute(query)).all()
        return [record(row) for row in rows]

    async def walk(self, which: Which, after: Place | None = None) -> AsyncIterator[list[Record]]:
        """Pages to the last; no statement is open between them."""
        while page := await self.page(which, PAGE_ROWS, after):
            yield page
            after = place_of(page[-1])

    async def sums(
        self, which: Which, *names: str, of: Sequence[str] = tuple(SUMS)
    ) -> dict[tuple[Any, ...], dict[str, int]]:
        """`of` finished requests, some of `storage.ledger.tally.SUMS`, by the values of `names` (of its `KEYS`). Whole
        hours are read from their sums, the rest of the window from its requests.

        Raises `ValueError` for sums that nobody keeps: those by `key_id`, of a model or an API by how it ended, and of
        all projects by anything else."""
        totals: dict[tuple[Any, ...], dict[str, int]] = {}
        counted = ("requests", *(name for name in of if name != "requests"))
        queries = [_of_hours(which, names, counted), *(_of_requests(edge, names, counted) for edge in edges(which))]
        async with self.database.reading(settled=True) as connection:
            for query in queries:
                for row in await connection.execute(query):
                    key, values = tuple(row[: len(names)]), row[len(names) :]
                    total = totals.setdefault(key, dict.fromkeys(counted, 0))
                    for name, value in zip(counted, values, strict=True):
                        total[name] += int(value or 0)
        return {key: total for key, total in totals.items() if total["requests"]}


def place_of(entry: Record) -> Place:
    return Place(instant(entry.started_at), entry.request_id)


def edges(which: Which) -> list[Which]:
    """The parts of the window that are no whole hours."""
    since, until = which.since, which.until
    first = None if since is None else _ceil(since)
    last = None if until is None else _floor(until)
    if first is not None and last is not None and first > last:
        return [which]
    found = []
    if since is not None and since != first:
        found.append(replace(which, until=first))
    if until is not None and until != last:
        found.append(replace(which, since=last))
    return found


def _floor(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _ceil(moment: datetime) -> datetime:
    floor = _floor(moment)
    return floor if floor == moment else floor + timedelta(hours=1)


def _chosen(query: Select[Any], which: Which) -> Select[Any]:
    query = query.where(text(ASKED))
    for name in ("project_id", "request_id", "api", "model", "state", "key_id"):
        if (value := getattr(which, name)) is not None:
            # a model tells more than an API: who asks for both is to be led by the model's index
            column = REQUESTS.c[name] if name != "api" or which.model is None else REQUESTS.c.api.concat("")
            query = query.where(column == value)
    if which.state not in (None, "completed"):
        query = query.where(text(NOT_COMPLETED))  # names the index
    if which.state in ("failed", "interrupted"):
        query = query.where(text(IN_VAIN))
    if which.kinds is not None:
        query = query.where(REQUESTS.c.kind.in_(sorted(which.kinds)))
    if which.since is not None:
        query = query.where(REQUESTS.c.started_at >= which.since)
    if which.until is not None:
        query = query.where(REQUESTS.c.started_at < which.until)
    return query.where(REQUESTS.c.state != "started") if which.finished else query


def _of_hours(which: Which, names: Sequence[str], sums: Sequence[str]) -> Select[Any]:
    by_model, by_api = which.model is not None or "model" in names, which.api is not None or "api" in names
    by_end = which.state is not None or not {"state", "error_code"}.isdisjoint(names)
    by_project = which.project_id is not None
    by_kind = which.kinds is not None or "kind" in names
    if which.key_id or (by_end and (by_model or by_api)) or (not by_project and (by_model or by_api or by_kind)):
        raise ValueError("such sums are not kept")
    groups = [HOURS.c[name] for name in names]
    query = select(*groups, *(func.sum(HOURS.c[name]) for name in sums)).group_by(*groups)
    query = query.where(HOURS.c.model != ALL if by_model else HOURS.c.model == ALL)
    if not by_model:
        query = query.where(HOURS.c.api != ALL if by_api else HOURS.c.api == ALL)
    if not by_project:
        query = query.where(HOURS.c.project_id == ALL)
    for name in ("project_id", "api", "model", "state"):
        if (value := getattr(which, name)) is not None:
            query = query.where(HOURS.c[name] == value)
    if which.kinds is not None:
        query = query.where(HOURS.c.kind.in_(sorted(which.kinds)))
    if which.since is not None:
        query = query.where(HOURS.c.hour >= int(_ceil(which.since).timestamp()))
    if which.until is not None:
        query = query.where(HOURS.c.hour < int(_floor(which.until).timestamp()))
    return query


def _of_requests(which: Which, names: Sequence[str], sums: Sequence[str]) -> Select[Any]:
    groups = [_key(name, which) for name in names]
    totals = [func.sum(literal_column(SUMS[name], BigInteger)) for name in sums]
    return _chosen(select(*groups, *totals).group_by(*groups), replace(which, finished=True))


def _key(name: str, which: Which) -> ColumnElement[Any]:
    """What the request would be counted under. An edge lies within one hour."""
    if name not in KEYS:
        raise ValueError(f"requests are not counted by {name}")
    if name == "hour" and which.until is not None:
        # of the edge's last microsecond, for an edge may end where its hour does
        hour = _floor(which.until - timedelta(microseconds=1))
        return bindparam("hour", int(hour.timestamp()), BigInteger, unique=True)
    return func.coalesce(REQUESTS.c[name], "") if name in ("model", "error_code") else REQUESTS.c[name]
