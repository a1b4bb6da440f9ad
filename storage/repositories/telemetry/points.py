"""Metrics added up: the points that clients logged, and the tokens of the server's own requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import BigInteger, ColumnElement, Select, Table, func, literal, select, text, union_all

from storage.database import Database
from storage.repositories.telemetry import requests
from storage.repositories.telemetry.log import POINTS
from storage.repositories.telemetry.requests import REQUESTS
from storage.tables.history import RequestTokensRow
from storage.tables.traffic import ASKED, NOT_COMPLETED
from storage.tables.types import core, instant

SUMS = core(RequestTokensRow)
HOUR_SECONDS = 3600

TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
"""The metrics that requests have, labelled `model_id` and `provider_id`."""


@dataclass(frozen=True, slots=True)
class Window:
    """Unix seconds, the last excluded; `step_seconds` None is all of it at once."""

    start: int
    end: int
    step_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Sums by the second at which their step begins, for one set of labels and one unit, in time's order."""

    labels: Mapping[str, Any]
    unit: str
    sums: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Points:
    database: Database

    async def logged(self, project_id: str, name: str, window: Window, now: datetime, limit: int) -> list[Series]:
        """Raises `TooManyPoints` for more than `limit` sums."""
        step_us = (window.step_seconds or 1) * 1_000_000
        at = (POINTS.c.at_us - POINTS.c.at_us % step_us) / 1_000_000 if window.step_seconds else literal(window.start)
        query = (
            select(POINTS.c.labels, POINTS.c.unit, at.label("at"), func.sum(POINTS.c.value))
            .where(
                POINTS.c.project_id == project_id,
                POINTS.c.name == name,
                POINTS.c.at_us >= window.start * 1_000_000,
                POINTS.c.at_us < window.end * 1_000_000,
                POINTS.c.expires_at > now,
            )
            .group_by(POINTS.c.labels, POINTS.c.unit, "at")
            .order_by("at")
            .limit(limit + 1)
        )
        async with self.database.reading(settled=True) as connection:
            rows = (await connection.execute(query)).all()
        return _series([((labels, unit), at, value) for labels, unit, at, value in rows], limit)

    async def of_requests(self, project_id: str, name: str, window: Window, limit: int) -> list[Series]:
        """For one of `TOKENS`. Whole hours are read from their sums where steps are hours. Raises `TooManyPoints`."""
        parts = union_all(*self._parts(project_id, name, window)).subquery()
        query = (
            select(parts.c.model, parts.c.provider, parts.c.at, func.sum(parts.c.tokens))
            .group_by(parts.c.model, parts.c.provider, parts.c.at)
            .order_by(parts.c.at)
            .limit(limit + 1)
        )
        async with self.database.reading(settled=True) as connection:
            rows = (await connection.execute(query)).all()
        labelled = [((_labels(model, provider or None), "tokens"), at, value) for model, provider, at, value in rows]
        return _series(labelled, limit)

    def _parts(self, project_id: str, name: str, window: Window) -> list[Select[Any]]:
        start, end = window.start, window.end
        at = _step(requests.seconds_of(self.database.dialect), window)
        mine = (REQUESTS.c.project_id == project_id, text(ASKED), REQUESTS.c.model.is_not(None))
        rows = _part(REQUESTS, name, at).where(*mine)
        first, last = -(-start // HOUR_SECONDS) * HOUR_SECONDS, end // HOUR_SECONDS * HOUR_SECONDS
        if (window.step_seconds or HOUR_SECONDS) % HOUR_SECONDS or first >= last:
            return [_during(rows, start, end)]
        hour = SUMS.c.hour
        whole = (SUMS.c.project_id == project_id, hour >= first, hour < last)
        running = _during(rows, first, last).where(REQUESTS.c.state == "started", text(NOT_COMPLETED))
        edges = [(start, first), (last, end)]
        return [
            _part(SUMS, name, _step(hour, window)).where(*whole),
            running,
            *(_during(rows, *edge) for edge in edges if edge[0] < edge[1]),
        ]


def _during(rows: Select[Any], start: int, end: int) -> Select[Any]:
    return rows.where(REQUESTS.c.started_at >= instant(start), REQUESTS.c.started_at < instant(end))


def _step(seconds: ColumnElement[int], window: Window) -> ColumnElement[int]:
    return seconds - seconds % window.step_seconds if window.step_seconds else literal(window.start, BigInteger)


def _part(table: Table, name: str, at: ColumnElement[int]) -> Select[Any]:
    provider = func.coalesce(table.c.provider, "").label("provider")
    total = func.sum(requests.column_of(name, table)).label("tokens")
    return select(table.c.model, provider, at.label("at"), total).group_by(table.c.model, provider, "at")


class TooManyPoints(Exception):
    """The answer would be longer than was allowed."""


def _labels(model: str, provider: str | None) -> str:
    return orjson.dumps({"model_id": model, "provider_id": provider}).decode()


def _series(rows: Sequence[tuple[tuple[str, str], Any, Any]], limit: int) -> list[Series]:
    if len(rows) > limit:
        raise TooManyPoints
    found: dict[tuple[str, str], dict[int, float]] = {}
    for key, at, value in rows:
        found.setdefault(key, {})[int(at)] = float(value)
    return [Series(orjson.loads(labels), unit, sums) for (labels, unit), sums in found.items()]
