"""Finding captured messages with FTS5.

Those that hold all phrases are chosen first, the newest before others, and only so many as are chosen are ranked. A
window of time is one of ids. Project, kind, role and model are words of the index as well: where many messages hold the
phrases, they are found by it alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables.types import Instant

Phrase = tuple[str, ...]
"""Words, of letters and digits alone, that stand one behind the other."""

MOST_RANKED = 2_000
"""Of more matches only so many, the newest, are ranked."""
SAMPLED = 2_000
"""So many of the newest messages tell how common a phrase is."""
LARGEST_ID = 2**63 - 1
EARLIEST, LATEST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
MARKS = {"project_id": "p", "kind": "k", "role": "r", "model": "m"}
"""What the words begin with that messages are filtered by; the rest of them is hexadecimal."""

MERGE_ANY = text("INSERT INTO captured_messages_text (captured_messages_text, rank) VALUES ('usermerge', 2)")
MERGE = text("INSERT INTO captured_messages_text (captured_messages_text, rank) VALUES ('merge', 300)")
"""About 300 pages of work, if there is any: then more than the command's own row changes."""
CHANGES = text("SELECT total_changes()")
NEWEST = text("SELECT max(id) FROM captured_messages")
SAMPLE = text(
    "SELECT count(*) FROM captured_messages_text WHERE captured_messages_text MATCH :phrase AND rowid > :newest"
)
COUNT = text("""
SELECT count(*) FROM (
    SELECT rowid FROM captured_messages_text
    WHERE captured_messages_text MATCH :match AND rowid BETWEEN :first AND :last LIMIT :most
)
""")
WINDOW = text("""
SELECT min(first_id) FILTER (WHERE hour BETWEEN :since AND :before),
    max(last_id) FILTER (WHERE hour BETWEEN :since AND :before),
    max(last_id) FILTER (WHERE hour <= :since) + 1,
    min(first_id) FILTER (WHERE hour >= :before) - 1
FROM captured_messages_text_hours
""")
CHOSEN = """
SELECT rowid AS id, {score} AS score FROM captured_messages_text
WHERE captured_messages_text MATCH :match AND rowid BETWEEN :first AND :last
    AND (rowid BETWEEN :surely_first AND :surely_last OR EXISTS (
        SELECT 1 FROM captured_messages AS m
        WHERE m.id = captured_messages_text.rowid AND m.at >= :since AND m.at < :before
    )){rows}
ORDER BY rowid DESC LIMIT :most
"""
ROWS = """
    AND EXISTS (SELECT 1 FROM captured_messages AS m WHERE m.id = captured_messages_text.rowid AND {})"""
SCORE = "-bm25(captured_messages_text)"
AT_ONCE = "SELECT id, score FROM ({chosen}) ORDER BY score DESC, id DESC LIMIT :limit"
# the sign keeps SQLite from asking the index once for each of the rows
IN_TURN = """
WITH chosen AS MATERIALIZED ({chosen})
SELECT rowid AS id, {score} AS score FROM captured_messages_text
WHERE captured_messages_text MATCH :telling
    AND rowid BETWEEN (SELECT min(id) FROM chosen) AND (SELECT max(id) FROM chosen)
    AND +rowid IN (SELECT id FROM chosen)
ORDER BY score DESC, id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """`phrases` must all be there; None of the rest is any. `since` is inclusive, `before` is not."""

    phrases: Sequence[Phrase]
    project_id: str | None = None
    kind: str | None = None
    role: str | None = None
    model: str | None = None
    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """`id` is the message's row; a higher `score` is a better match."""

    id: int
    score: float


@dataclass(frozen=True, slots=True)
class Effort:
    """To rank by a phrase all messages that hold it have to be counted: it is done by the rarest, as many as stand in
    `counted` messages together. Of up to `looked_up` messages the rows tell whose they are sooner than the index."""

    counted: int = 100_000
    looked_up: int = 5_000


async def merge(connection: AsyncConnection) -> bool:
    """Does some of the work that keeps the index in few pieces, of which each search looks into every one; whether
    there may be more of it."""
    await connection.execute(MERGE_ANY)
    before = int(await connection.scalar(CHANGES) or 0)
    await connection.execute(MERGE)
    return int(await connection.scalar(CHANGES) or 0) - before > 1


async def find(wanted: Search, limit: int, effort: Effort, connection: AsyncConnection) -> list[Hit]:
    """The best first; the newest, where none of the phrases is ranked by."""
    window = await _window(wanted, connection)
    marks = {name: value for name in MARKS if (value := getattr(wanted, name)) is not None}
    match, rows = _holds(wanted.phrases), ""
    if marks and await _count(match, window, effort.looked_up, connection) <= effort.looked_up:
        rows = ROWS.format(" AND ".join(f"m.{name} = :{name}" for name in marks))
    elif marks:
        match = " AND ".join([match, *(f"{{marks}} : {MARKS[name]}{marks[name].encode().hex()}" for name in marks)])
    telling = await _telling(wanted.phrases, effort.counted, connection)
    values = {**window, **marks, "match": match, "most": MOST_RANKED if telling else limit, "limit": limit}
    in_turn = bool(telling) and (len(telling) < len(wanted.phrases) or (bool(marks) and not rows))
    if in_turn:
        values["telling"] = _holds(telling)
    statement = _statement(rows, SCORE if telling else "0.0", in_turn)
    return [Hit(*row) for row in await connection.execute(statement, values)]


def _statement(rows: str, score: str, in_turn: bool) -> TextClause:
    chosen = CHOSEN.format(score="0.0" if in_turn else score, rows=rows)
    whole = (IN_TURN if in_turn else AT_ONCE).format(chosen=chosen, score=score)
    return text(whole).bindparams(*(bindparam(name, type_=Instant) for name in ("since", "before")))


def _holds(phrases: Sequence[Phrase]) -> str:
    return "{content} : (" + " AND ".join('"' + " ".join(phrase) + '"' for phrase in phrases) + ")"


async def _count(match: str, window: Mapping[str, Any], most: int, connection: AsyncConnection) -> int:
    """Of more than `most`, one more."""
    ids = {name: window[name] for name in ("first", "last")}
    return int(await connection.scalar(COUNT, {"match": match, "most": most + 1, **ids}) or 0)


async def _telling(phrases: Sequence[Phrase], most: int, connection: AsyncConnection) -> list[Phrase]:
    """The phrases to rank by."""
    newest = await connection.scalar(NEWEST) or 0
    if newest <= most:
        return list(phrases)
    sampled = min(newest, SAMPLED)
    counts = {}
    for phrase in phrases:
        found = await connection.scalar(SAMPLE, {"phrase": _holds([phrase]), "newest": newest - sampled})
        counts[phrase] = (found or 0) * newest // sampled
    telling, together = [], 0
    for phrase in sorted(counts, key=counts.__getitem__):
        together += counts[phrase]
        if together <= most:
            telling.append(phrase)
    return telling


async def _window(wanted: Search, connection: AsyncConnection) -> dict[str, Any]:
    """Between which ids all messages of the window are, and between which are no others: those beyond them are looked
    up."""
    window = {"since": wanted.since or EARLIEST, "before": wanted.before or LATEST}
    ids: Sequence[int | None] = (None, None, None, None)
    if wanted.since is not None or wanted.before is not None:
        hours = {name: moment.astimezone(UTC).strftime("%Y-%m-%d %H") for name, moment in window.items()}
        ids = (await connection.execute(WINDOW, hours)).one()
        if ids[0] is None:
            return {**window, "first": 1, "last": 0, "surely_first": 1, "surely_last": 0}
    limits = (0, LARGEST_ID, 0, LARGEST_ID)
    names = ("first", "last", "surely_first", "surely_last")
    return {**window, **{name: limit if id is None else id for name, id, limit in zip(names, ids, limits, strict=True)}}
