"""What the two databases' writers share: rows and SQL."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import orjson

from storage.captured import CapturedMessage
from storage.chat_record import StoredChat, TraceEntry
from storage.errors import RowRefused
from storage.ledger_record import FIELDS, Record

COLUMNS = (*FIELDS, "process_id")
REQUEST_ID, PROJECT, COST = FIELDS.index("request_id"), FIELDS.index("project_id"), FIELDS.index("cost_micros")
STARTED_AT, STATE, KIND = FIELDS.index("started_at"), FIELDS.index("state"), FIELDS.index("kind")
read = attrgetter(*FIELDS)
counts = attrgetter(
    "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "cost_micros"
)
DOCUMENTS = (FIELDS.index("metadata"), FIELDS.index("tries"))

UPSERT = """
INSERT INTO requests ({columns}) VALUES ({places})
ON CONFLICT (request_id) DO UPDATE SET {changes}
WHERE requests.state = 'started'
   OR (requests.state = 'interrupted' AND excluded.state NOT IN ('started', 'interrupted'))
"""

INSERT_ONCE = "INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({key}) DO NOTHING"

Companion = StoredChat | TraceEntry | CapturedMessage
"""A row of another table that comes with a record; its class's fields are the columns."""

COMPANIONS: Mapping[type[Companion], tuple[str, str]] = {
    StoredChat: ("chat_completions", "key"),
    TraceEntry: ("trace_entries", "request_id"),
    CapturedMessage: ("captured_messages", "request_id, message_seq"),
}
"""Their tables, and by which columns a row is known that is there already."""

KINDS: tuple[type[Companion], ...] = tuple(COMPANIONS)
LARGEST = 2**63 - 1

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
    """A record as it was when it was handed in; `values` are in the order of `COLUMNS`, those of each companion in the
    order of its class's fields."""

    request_id: str
    final: bool
    billed: bool
    values: tuple[Any, ...]
    companions: tuple[tuple[type[Companion], tuple[Any, ...]], ...] = ()


def line(record: Record, process_id: str, moment: Callable[[datetime], Any]) -> Line:
    """`moment` turns a time into what the driver takes. Raises `TypeError` for metadata that JSON cannot hold."""
    rows = tuple((type(entry), _row(entry, moment)) for entry in _companions(record))
    return _line(list(read(record)), process_id, rows, moment)


def is_billed(record: Record) -> bool:
    return record.cost_micros > 0 and record.state != "started" and record.project_id is not None


def _line(
    values: list[Any],
    process_id: str,
    companions: tuple[tuple[type[Companion], tuple[Any, ...]], ...],
    moment: Callable[[datetime], Any],
) -> Line:
    values[STARTED_AT] = moment(datetime.fromtimestamp(values[STARTED_AT], UTC))
    for place in DOCUMENTS:
        if values[place] is not None:
            values[place] = orjson.dumps(values[place]).decode()
    final = values[STATE] != "started"
    billed = values[COST] > 0 and final and values[PROJECT] is not None
    return Line(values[REQUEST_ID], final, billed, (*values, process_id), companions)


def latest(lines: Sequence[Line]) -> list[Line]:
    """One line a request: its first final one, else its last."""
    chosen: dict[str, Line] = {}
    for entry in lines:
        known = chosen.get(entry.request_id)
        if known is None or not known.final:
            chosen[entry.request_id] = entry
    return list(chosen.values())


def pack(record: Record, process_id: str, moment: Callable[[datetime], str]) -> bytes:
    """What `unpack` makes a line of. Raises `RowRefused` for what no database could keep, and `TypeError` for metadata
    that JSON cannot hold."""
    companions = [(KINDS.index(type(entry)), _row(entry, moment)) for entry in _companions(record)]
    try:
        packed = orjson.dumps((read(record), process_id, companions), default=_bytes)
    except TypeError as error:
        orjson.dumps((record.metadata, record.tries))
        raise RowRefused(str(error)) from error
    if max(counts(record)) > LARGEST:
        raise RowRefused("a number is beyond 64 bits")
    return packed


def unpack(packed: bytes, moment: Callable[[datetime], str]) -> Line:
    values, process_id, companions = orjson.loads(packed)
    rows = tuple((KINDS[kind], tuple(map(_unpacked, row))) for kind, row in companions)
    return _line(values, process_id, rows, moment)


def _bytes(value: Any) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"base64": b64encode(value).decode()}
    raise TypeError(f"a row cannot hold a {type(value).__name__}")


def _unpacked(value: Any) -> Any:
    return b64decode(value["base64"]) if isinstance(value, dict) else value


def _companions(record: Record) -> Iterable[Companion]:
    if record.chat is not None and record.state == "completed":
        yield record.chat
    if record.trace is not None:
        yield record.trace
    if record.state != "started":
        yield from record.messages


def _row(entry: Companion, moment: Callable[[datetime], Any]) -> tuple[Any, ...]:
    return tuple(_value(getattr(entry, name), moment) for name in type(entry).__slots__)


def _value(value: Any, moment: Callable[[datetime], Any]) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    # in one order, so that SQLite finds equal objects by their text
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode() if isinstance(value, dict | list) else value


def upsert(placeholder: Callable[[int], str]) -> str:
    """A final row stands, but an interrupted one gives way to its process's own word: it was only thought dead."""
    return UPSERT.format(
        columns=", ".join(COLUMNS),
        places=", ".join(placeholder(number) for number in range(1, len(COLUMNS) + 1)),
        changes=", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "request_id"),
    )


def inserts(placeholder: Callable[[int], str]) -> dict[type[Companion], str]:
    """A statement for each kind of companion. A row that is there stands: a commit whose confirmation was lost is
    repeated."""
    statements = {}
    for kind, (table, key) in COMPANIONS.items():
        columns = kind.__slots__
        places = ", ".join(placeholder(number) for number in range(1, len(columns) + 1))
        statements[kind] = INSERT_ONCE.format(table=table, columns=", ".join(columns), places=places, key=key)
    return statements


def companions(lines: Sequence[Line]) -> dict[type[Companion], list[tuple[Any, ...]]]:
    """All their companions, by kind."""
    rows: dict[type[Companion], list[tuple[Any, ...]]] = {}
    for entry in lines:
        for kind, values in entry.companions:
            rows.setdefault(kind, []).append(values)
    return rows


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
