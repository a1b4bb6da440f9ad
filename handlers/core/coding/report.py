"""The requests of a window, counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from handlers.core.call import Call
from handlers.core.coding import carried
from handlers.core.coding.tally import Tally, told_by
from storage.ledger_record import Record
from storage.repositories.history import Which
from storage.tables.types import instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CodingWanted:
    """What is None does not filter. `endpoint` is an operation's id."""

    window_seconds: int
    bucket_seconds: int
    provider: str | None = None
    endpoint: str | None = None
    model: str | None = None
    repo_id_hash: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """`since` and `until` are unix seconds."""

    since: float
    until: float
    now: Tally
    before: Tally


async def report(wanted: CodingWanted, call: Call) -> Report:
    """Of finished requests of all projects that began in the window, and in the one of equal length before it."""
    until = call.services.clock()
    since = until - wanted.window_seconds
    now = await _count(wanted, since, until, call)
    before = await _count(wanted, since - wanted.window_seconds, since, call)
    return Report(since, until, now, before)


async def _count(wanted: CodingWanted, since: float, until: float, call: Call) -> Tally:
    """A page at a time, beside the event loop."""
    which = Which(model=wanted.model, since=instant(since), until=instant(until), finished=True)
    tally = Tally(wanted.bucket_seconds)
    async for page in call.services.history.walk(which):
        await asyncio.to_thread(_add, tally, wanted, page)
    return tally


def _add(tally: Tally, wanted: CodingWanted, page: Sequence[Record]) -> None:
    for record in page:
        if _is_wanted(record, wanted):
            tally.add(record)


def _is_wanted(record: Record, wanted: CodingWanted) -> bool:
    if wanted.provider not in (None, record.provider) or wanted.endpoint not in (None, record.operation_id):
        return False
    told = told_by(record)
    return all(
        value is None or value in carried.names(told, name)
        for name, value in (("repo_id_hash", wanted.repo_id_hash), ("session_id", wanted.session_id))
    )
