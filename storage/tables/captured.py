"""What is kept of the content of requests, by which policy, and the event streams that are open."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import DDL, Index, event
from sqlmodel import Field

from storage.tables.types import Document, Instant, Row, Serial, Verbatim, core


class CapturePolicyRow(Row, table=True):
    """A project's own policy, in place of the server's."""

    __tablename__ = "capture_policies"

    project_id: str = Field(primary_key=True, foreign_key="projects.id")
    policy: dict[str, Any] = Field(sa_type=Document)
    updated_at: datetime = Field(sa_type=Instant)
    updated_by: str


class CapturedMessageRow(Row, table=True):
    """`storage.captured.CapturedMessage`. `id` is what the index of its text knows it by."""

    __tablename__ = "captured_messages"
    __table_args__ = (
        Index("uq_captured_messages_request_id", "request_id", "message_seq", unique=True),
        Index("ix_captured_messages_project_id_at", "project_id", "at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    request_id: str
    message_seq: int
    project_id: str
    at: datetime = Field(sa_type=Instant)
    kind: str
    role: str
    model: str | None = None
    content: str
    is_truncated: bool
    details: dict[str, Any] | None = Field(default=None, sa_type=Verbatim)
    redaction: dict[str, Any] | None = Field(default=None, sa_type=Verbatim)


class OpenStreamsRow(Row, table=True):
    """The event streams of one process as they were at `at`; `streams` is a list of `handlers.core.streams.Shown`."""

    __tablename__ = "open_streams"

    process_id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=Instant)
    streams: list[dict[str, Any]] = Field(sa_type=Verbatim)


MARKS = """'p' || hex({0}.project_id) || ' k' || hex({0}.kind) || ' r' || hex({0}.role)
        || CASE WHEN {0}.model IS NULL THEN '' ELSE ' m' || hex({0}.model) END"""
SQLITE_INDEX = (
    """CREATE VIRTUAL TABLE captured_messages_text USING fts5(
    content, marks, content='', tokenize='unicode61 remove_diacritics 0'
)""",
    """CREATE TABLE captured_messages_text_hours (
    hour TEXT NOT NULL PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL
) WITHOUT ROWID""",
    """CREATE TRIGGER captured_messages_inserted AFTER INSERT ON captured_messages BEGIN
    INSERT INTO captured_messages_text (rowid, content, marks) VALUES (new.id, new.content,
        {new});
    INSERT INTO captured_messages_text_hours VALUES (substr(new.at, 1, 13), new.id, new.id)
    ON CONFLICT DO UPDATE SET first_id = min(first_id, new.id), last_id = max(last_id, new.id);
END""",
    """CREATE TRIGGER captured_messages_deleted AFTER DELETE ON captured_messages BEGIN
    INSERT INTO captured_messages_text (captured_messages_text, rowid, content, marks)
    VALUES ('delete', old.id, old.content,
        {old});
END""",
)
"""An index over the text that is kept where it is, and over a word for each of what messages are filtered by: where
few of those with a word are wanted, the others are not looked up. Beside it between which ids the messages of an hour
are, as `2026-03-18 09`: others may be there, too, and some be gone. The triggers keep all in step."""

POSTGRES_INDEX = (
    r"""ALTER TABLE captured_messages ADD COLUMN terms tsvector GENERATED ALWAYS AS (
    to_tsvector('simple', regexp_replace(left(content, 100000), '[\x01-/:-@[-`{-\x7f]+', ' ', 'g'))
) STORED""",
    "CREATE INDEX ix_captured_messages_terms ON captured_messages USING gin (terms)",
)
"""Words are cut at ASCII's marks, as FTS5 does, for Postgres' own parser makes one word of an address or a path; so
much of a text is indexed as no tsvector is too small for."""

for _dialect, _statements in (
    ("sqlite", [statement.format(new=MARKS.format("new"), old=MARKS.format("old")) for statement in SQLITE_INDEX]),
    ("postgresql", POSTGRES_INDEX),
):
    for _statement in _statements:
        # DDL formats its text with %
        _ddl = DDL(_statement.replace("%", "%%")).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(core(CapturedMessageRow), "after_create", _ddl)
