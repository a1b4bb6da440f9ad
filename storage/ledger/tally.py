"""Keeps sums by the hour: in the commit that writes a request, so that they are always exact.

A final row is counted once, whoever writes it again. An interrupted one that gives way to its process's own word is
taken out first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from storage.ledger.sink import STATE, Line

KEYS: Final = ("hour", "project_id", "kind", "api", "model", "state", "error_code")
UNCACHED, COMPLETION_COST = "prompt_tokens - cached_tokens", "cost_micros - prompt_cost_micros - cached_cost_micros"
SUMS: Final[Mapping[str, str]] = {
    "requests": "1",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
    "cached_tokens": "cached_tokens",
    "cost_micros": "cost_micros",
    "prompt_cost_micros": "prompt_cost_micros",
    "cached_cost_micros": "cached_cost_micros",
    "free_prompt_tokens": f"CASE WHEN prompt_cost_micros = 0 THEN {UNCACHED} ELSE 0 END",
    "free_cached_tokens": "CASE WHEN cached_cost_micros = 0 THEN cached_tokens ELSE 0 END",
    "free_completion_tokens": f"CASE WHEN {COMPLETION_COST} = 0 THEN completion_tokens ELSE 0 END",
    "prompt_meters": f"CASE WHEN {UNCACHED} > 0 THEN 1 ELSE 0 END",
    "cached_meters": "CASE WHEN cached_tokens > 0 THEN 1 ELSE 0 END",
    "completion_meters": "CASE WHEN completion_tokens > 0 THEN 1 ELSE 0 END",
    "tries": "try_count",
    "requeues": "requeues",
    "first_bytes": "CASE WHEN first_byte_us IS NULL OR cache_hit THEN 0 ELSE 1 END",
    "cache_hits": "CASE WHEN cache_hit THEN 1 ELSE 0 END",
}
"""What is summed up, as SQL over a row of `requests`."""

HOURS: Final = {
    "sqlite": "CAST(strftime('%s', started_at) AS INTEGER) / 3600 * 3600",
    "postgresql": "floor(extract(epoch FROM started_at) / 3600)::bigint * 3600",
}

ORDERS: Final = {"sqlite": "", "postgresql": "ORDER BY {}"}
"""On Postgres all writers have one order, so that two cannot deadlock; SQLite has one writer."""

KNOWN = "SELECT request_id, state FROM requests WHERE request_id {chosen} {locked}"

ALL: Final = "*"
GRAINS: Final = (
    "project_id, kind, '*', '*', state, error_code",
    "project_id, kind, api, model, '*', '*'",
    "project_id, kind, api, '*', '*', '*'",
    "'*', '*', '*', '*', state, error_code",
)
"""Every request is counted four times: by how it ended, by what was asked, by API alone, and with those of all projects
by how it ended. All at once would make many times the rows, and so would sums over long windows take many times as
long."""
CHOSEN_ROWS = "FROM requests WHERE request_id {chosen} AND kind IS NOT NULL AND project_id IS NOT NULL"

HOURLY = """
WITH counted AS MATERIALIZED (
    SELECT {hour} AS hour, project_id, kind, api, COALESCE(model, '') AS model, state,
        COALESCE(error_code, '') AS error_code, {terms}
    {rows}
    GROUP BY 1, 2, 3, 4, 5, 6, 7
)
INSERT INTO request_hours ({keys}, {sums})
{grains}
{order}
ON CONFLICT ({keys}) DO UPDATE SET {changes}
"""
GRAIN = "SELECT hour, {grain}, {totals} FROM counted GROUP BY 1, 2, 3, 4, 5, 6, 7"

TOKEN_KEYS: Final = ("project_id", "hour", "model", "provider")
TOKENS: Final = ("prompt_tokens", "completion_tokens")
TOKENS_HOURLY = """
INSERT INTO request_tokens ({keys}, {sums})
SELECT project_id, {hour}, model, COALESCE(provider, ''), {totals}
{rows} AND model IS NOT NULL
GROUP BY 1, 2, 3, 4
{order}
ON CONFLICT ({keys}) DO UPDATE SET {changes}
"""


@dataclass(frozen=True, slots=True)
class Change:
    """Ids of requests: those that are counted no more, before they are written, and those that are then."""

    dropped: list[str]
    counted: list[str]


def finals(lines: Sequence[Line]) -> list[str]:
    return [line.request_id for line in lines if line.final]


def change(lines: Sequence[Line], known: Mapping[str, str]) -> Change:
    """`known` are the states of those of the lines' requests that are there already."""
    dropped, counted = [], []
    for line in lines:
        state = known.get(line.request_id, "started")
        if not line.final or state not in ("started", "interrupted"):
            continue
        if state == "interrupted":
            if line.values[STATE] == "interrupted":
                continue
            dropped.append(line.request_id)
        counted.append(line.request_id)
    return Change(dropped, counted)


def known(chosen: str, locked: str = "") -> str:
    """Answers `request_id, state` rows of those that are there already."""
    return KNOWN.format(chosen=chosen, locked=locked)


def tally(dialect: str, chosen: str, sign: int) -> tuple[str, ...]:
    """Statements that add the chosen requests, or take them out (`sign` -1)."""
    minus, rows, hour = "-" if sign < 0 else "", CHOSEN_ROWS.format(chosen=chosen), HOURS[dialect]
    totals = ", ".join(f"SUM({name})" for name in SUMS)
    hourly = HOURLY.format(
        keys=", ".join(KEYS),
        sums=", ".join(SUMS),
        hour=hour,
        terms=", ".join(f"{minus}SUM({term}) AS {name}" for name, term in SUMS.items()),
        rows=rows,
        grains=" UNION ALL ".join(GRAIN.format(grain=grain, totals=totals) for grain in GRAINS),
        order=ORDERS[dialect].format("1, 2, 3, 4, 5, 6, 7"),
        changes=_additions("request_hours", SUMS),
    )
    tokens = TOKENS_HOURLY.format(
        keys=", ".join(TOKEN_KEYS),
        sums=", ".join(TOKENS),
        hour=hour,
        totals=", ".join(f"{minus}SUM({name})" for name in TOKENS),
        rows=rows,
        order=ORDERS[dialect].format("1, 2, 3, 4"),
        changes=_additions("request_tokens", TOKENS),
    )
    return hourly, tokens


def _additions(table: str, names: Iterable[str]) -> str:
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names)
