"""What clients log, written, and forgotten when its time is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, Table, and_, bindparam, delete, select, update

from storage.database import Database, Transaction
from storage.repositories.telemetry.attributes import ATTRIBUTES, SPANS, stored
from storage.tables.telemetry import TelemetryMessageRow, TelemetryPointRow, TelemetryTraceRow
from storage.tables.types import core, plain

TRACES = core(TelemetryTraceRow)
MESSAGES = core(TelemetryMessageRow)
POINTS = core(TelemetryPointRow)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a project's traces something was logged, when, and until when it is kept. `attributes` are JSON
    values."""

    project_id: str
    trace_id: str
    span_id: str
    at: datetime
    expires_at: datetime
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpanStart:
    place: Place
    name: str
    parent_span_id: str | None


@dataclass(frozen=True, slots=True)
class SpanEnd:
    """`status` is `ok` or `error`."""

    place: Place
    status: str


@dataclass(frozen=True, slots=True)
class Message:
    place: Place
    severity: str
    message: str


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a metric; the place's attributes are its labels."""

    place: Place
    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class TelemetryLog:
    database: Database

    async def start(self, start: SpanStart) -> None:
        """May come after the end; coming again, it replaces what was told."""
        place = start.place
        told = {"name": start.name, "parent_span_id": start.parent_span_id, "started_at": place.at}
        async with self.database.writing() as tx:
            span = await self._tell(tx, place, told)
            await self._note_trace(tx, span)

    async def end(self, end: SpanEnd) -> None:
        place = end.place
        async with self.database.writing() as tx:
            span = await self._tell(tx, place, {"ended_at": place.at, "status": end.status})
            if span["started_at"] is not None:
                await self._note_trace(tx, span)

    async def say(self, message: Message) -> None:
        place = message.place
        values = {"at": place.at, "severity": message.severity, "message": message.message}
        async with self.database.writing() as tx:
            await tx.execute(MESSAGES.insert().values(**_where(place), **values, attributes=_dump(place.attributes)))

    async def count(self, point: Point) -> None:
        place = point.place
        at_us = round(place.at.timestamp() * 1_000_000)
        values = {"name": point.name, "at_us": at_us, "value": point.value, "unit": point.unit}
        async with self.database.writing() as tx:
            await tx.execute(POINTS.insert().values(**_where(place), **values, labels=_dump(place.attributes)))

    async def messages(self, project_id: str, trace_id: str, now: datetime) -> list[Message]:
        """Of a trace, in the order in which they came."""
        mine = (MESSAGES.c.project_id == project_id, MESSAGES.c.trace_id == trace_id, MESSAGES.c.expires_at > now)
        async with self.database.reading() as connection:
            rows = await connection.execute(select(MESSAGES).where(*mine).order_by(MESSAGES.c.id))
        return [_message(row) for row in rows]

    async def purge(self, now: datetime, limit: int) -> int:
        """Forgets up to `limit` rows of each kind whose time is over; answers how many."""
        forgotten = 0
        for table in (TRACES, SPANS, MESSAGES, POINTS):
            key = [column.name for column in table.primary_key]
            async with self.database.writing() as tx:
                old = select(*(table.c[name] for name in key)).where(table.c.expires_at <= now).limit(limit)
                rows = (await tx.execute(old)).all()
                if rows:
                    await tx.execute(_delete_each(table, key), [_bound(plain(row)) for row in rows])
            forgotten += len(rows)
        return forgotten

    async def _tell(self, tx: Transaction, place: Place, told: Mapping[str, Any]) -> dict[str, Any]:
        """Adds to what is known of a span; answers all of it."""
        empty = {**_where(place), "attributes": "{}"}
        await tx.execute(self.database.insert(SPANS).values(empty).on_conflict_do_nothing())
        mine = _is(SPANS, place)
        known = plain((await tx.execute(select(SPANS).where(mine).with_for_update())).one())
        attributes = {**orjson.loads(known["attributes"]), **place.attributes}
        expires_at = max(known["expires_at"], place.expires_at)
        changes = {**told, "attributes": _dump(attributes), "expires_at": expires_at}
        await tx.execute(update(SPANS).where(mine).values(changes))
        await self._index(tx, place)
        return known | changes

    async def _index(self, tx: Transaction, place: Place) -> None:
        if not place.attributes:
            return
        span = _where(place)
        del span["expires_at"]
        mine = and_(_is(ATTRIBUTES, place), ATTRIBUTES.c.key.in_(list(place.attributes)))
        await tx.execute(delete(ATTRIBUTES).where(mine))
        found = [
            {**span, "key": key, **stored(value)._asdict()}
            for key, value in place.attributes.items()
            if value is not None
        ]
        if found:
            await tx.execute(ATTRIBUTES.insert(), found)

    async def _note_trace(self, tx: Transaction, span: Mapping[str, Any]) -> None:
        """A span without parent is the root; until one is known, the earliest is."""
        is_rooted = span["parent_span_id"] is None
        first = {
            **{name: span[name] for name in ("project_id", "trace_id", "started_at", "ended_at", "expires_at")},
            "root_span_id": span["span_id"],
            "is_rooted": is_rooted,
        }
        await tx.execute(self.database.insert(TRACES).values(first).on_conflict_do_nothing())
        mine = and_(TRACES.c.project_id == span["project_id"], TRACES.c.trace_id == span["trace_id"])
        known = (await tx.execute(select(TRACES).where(mine).with_for_update())).one()
        is_root = span["span_id"] == known.root_span_id or (
            not known.is_rooted and (is_rooted or span["started_at"] < known.started_at)
        )
        changes = {
            "started_at": min(known.started_at, span["started_at"]),
            "expires_at": max(known.expires_at, span["expires_at"]),
        }
        if is_root:
            changes |= {"root_span_id": span["span_id"], "ended_at": span["ended_at"], "is_rooted": is_rooted}
        await tx.execute(update(TRACES).where(mine).values(changes))


def _where(place: Place) -> dict[str, Any]:
    return {
        "project_id": place.project_id,
        "trace_id": place.trace_id,
        "span_id": place.span_id,
        "expires_at": place.expires_at,
    }


def _is(table: Table, place: Place) -> Any:
    return and_(
        table.c.project_id == place.project_id, table.c.trace_id == place.trace_id, table.c.span_id == place.span_id
    )


def _dump(attributes: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(attributes), option=orjson.OPT_SORT_KEYS).decode()


def _message(row: Row[Any]) -> Message:
    place = Place(row.project_id, row.trace_id, row.span_id, row.at, row.expires_at, orjson.loads(row.attributes))
    return Message(place, row.severity, row.message)


def _delete_each(table: Table, key: list[str]) -> Any:
    return delete(table).where(*(table.c[name] == bindparam(f"old_{name}") for name in key))


def _bound(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f"old_{name}": value for name, value in row.items()}
