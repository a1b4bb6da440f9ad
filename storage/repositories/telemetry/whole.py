"""Spans that are told all at once, many in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import and_, bindparam, case, delete, or_

from storage.database import Database, Transaction
from storage.repositories.telemetry.attributes import ATTRIBUTES, SPANS, stored
from storage.tables.telemetry import TelemetryTraceRow
from storage.tables.types import core

TRACES = core(TelemetryTraceRow)
KEY = ("project_id", "trace_id", "span_id")


@dataclass(frozen=True, slots=True)
class WholeSpan:
    """`status` is `ok` or `error`; `attributes` are JSON values."""

    project_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    started_at: datetime
    ended_at: datetime
    status: str
    attributes: Mapping[str, Any]
    expires_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        return self.project_id, self.trace_id, self.span_id


async def put_spans(database: Database, tx: Transaction, spans: Sequence[WholeSpan]) -> None:
    """Replaces those that are known. Of two with one key the later is written; in one order everywhere, so that no two
    transactions wait for each other."""
    if not spans:
        return
    ordered = [span for _, span in sorted({span.key: span for span in spans}.items())]
    keys = [dict(zip(KEY, span.key, strict=True)) for span in ordered]
    told = database.insert(SPANS)
    fields = [column.name for column in SPANS.c if column.name not in KEY]
    replaced = told.on_conflict_do_update(index_elements=KEY, set_={name: told.excluded[name] for name in fields})
    await tx.execute(replaced, [_row(span) for span in ordered])
    here = and_(*(ATTRIBUTES.c[name] == bindparam(f"old_{name}") for name in KEY))
    await tx.execute(delete(ATTRIBUTES).where(here), [{f"old_{k}": v for k, v in one.items()} for one in keys])
    found = [
        {**one, "key": key, **stored(value)._asdict()}
        for one, span in zip(keys, ordered, strict=True)
        for key, value in span.attributes.items()
        if value is not None
    ]
    if found:
        await tx.execute(ATTRIBUTES.insert(), found)
    await _note_traces(database, tx, ordered)


async def _note_traces(database: Database, tx: Transaction, spans: Sequence[WholeSpan]) -> None:
    """As `TelemetryLog` does: a span without parent is the root; until one is known, the earliest is."""
    told = database.insert(TRACES)
    new, old = told.excluded, TRACES.c
    is_root = or_(
        new.root_span_id == old.root_span_id,
        and_(old.is_rooted.is_(False), or_(new.is_rooted.is_(True), new.started_at < old.started_at)),
    )
    changes = {name: case((is_root, new[name]), else_=old[name]) for name in ("root_span_id", "ended_at", "is_rooted")}
    changes["started_at"] = case((new.started_at < old.started_at, new.started_at), else_=old.started_at)
    changes["expires_at"] = case((new.expires_at > old.expires_at, new.expires_at), else_=old.expires_at)
    kept = told.on_conflict_do_update(index_elements=["project_id", "trace_id"], set_=changes)
    rows = [
        {
            "project_id": span.project_id,
            "trace_id": span.trace_id,
            "root_span_id": span.span_id,
            "is_rooted": span.parent_span_id is None,
            "started_at": span.started_at,
            "ended_at": span.ended_at,
            "expires_at": span.expires_at,
        }
        for span in spans
    ]
    await tx.execute(kept, rows)


def _row(span: WholeSpan) -> dict[str, Any]:
    return {
        **dict(zip(KEY, span.key, strict=True)),
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "started_at": span.started_at,
        "ended_at": span.ended_at,
        "status": span.status,
        "attributes": orjson.dumps(dict(span.attributes), option=orjson.OPT_SORT_KEYS).decode(),
        "expires_at": span.expires_at,
    }
