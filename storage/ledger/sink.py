"""What the two databases' writers share: rows and SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from storage.ledger_record import Record
from storage.tables.types import instant

FIELDS = tuple(Record.__slots__)
COLUMNS = (*FIELDS, "process_id")
STARTED_AT, METADATA = FIELDS.index("started_at"), FIELDS.index("metadata")

UPSERT = """
INSERT INTO requests ({columns}) VALUES ({places})
ON CONFLICT (request_id) DO UPDATE SET {changes}
WHERE requests.state = 'started'
   OR (requests.state = 'interrupted' AND excluded.state NOT IN ('started', 'interrupted'))
"""

DEBIT = """
INSERT INTO credit_entries (project_id, at, kind, amount_micros, request_id)
SELECT r.project_id, {now}, 'request', COALESCE(p.paid, 0) - r.cost_micros, r.request_id
FROM requests r
JOIN credit_accounts a ON a.project_id = r.project_id
LEFT JOIN (
    SELECT request_id, -SUM(amount_micros) AS paid FROM credit_entries WHERE request_id {chosen} GROUP BY request_id
) p ON p.request_id = r.request_id
WHERE r.request_id {chosen} AND r.state <> 'started' AND r.cost_micros > COALESCE(p.paid, 0)
RETURNING project_id, amount_micros
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A record as it was when it was handed in; `values` are in the order of `COLUMNS`."""

    request_id: str
    final: bool
    billed: bool
    values: tuple[Any, ...]


class Sink(Protocol):
    """Writes lines in one transaction, from one thread.

    Raises `StorageUnavailable` when a later attempt may succeed and `RowRefused` when a line can never be written;
    either way none of the lines was.
    """

    def write(self, lines: Sequence[Line], now: datetime) -> None: ...

    def close(self) -> None: ...


def line(record: Record, process_id: str, moment: Callable[[datetime], Any]) -> Line:
    """`moment` turns a time into what the driver takes. Raises `TypeError` for metadata that JSON cannot hold."""
    values = [getattr(record, name) for name in FIELDS]
    values[STARTED_AT] = moment(instant(record.started_at))
    if record.metadata is not None:
        values[METADATA] = orjson.dumps(record.metadata).decode()
    final = record.state != "started"
    billed = record.cost_micros > 0 and final and record.project_id is not None
    return Line(record.request_id, final, billed, (*values, process_id))


def upsert(placeholder: Callable[[int], str]) -> str:
    """A final row stands, but an interrupted one gives way to its process's own word: it was only thought dead."""
    return UPSERT.format(
        columns=", ".join(COLUMNS),
        places=", ".join(placeholder(number) for number in range(1, len(COLUMNS) + 1)),
        changes=", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "request_id"),
    )


def debit(chosen: str, now: str) -> str:
    """Enters what the chosen requests cost and is not entered yet, so that a second time adds nothing. Projects
    without a credit account are left out. Answers `project_id, amount_micros` rows for the balances."""
    return DEBIT.format(chosen=chosen, now=now)


def totals(entries: Sequence[tuple[str, int]]) -> list[tuple[int, str]]:
    """`amount, project_id`, one a project and in one order everywhere, so that two writers cannot deadlock."""
    sums: dict[str, int] = {}
    for project_id, amount in entries:
        sums[project_id] = sums.get(project_id, 0) + int(amount)
    return [(sums[project_id], project_id) for project_id in sorted(sums)]
