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


SQLITE_INDEX = (
    """CREATE VIRTUAL TABLE captured_messages_text USING fts5(
    content, content='captured_messages', content_rowid='id', tokenize='unicode61 remove_diacritics 0'
)""",
    """CREATE TRIGGER captured_messages_inserted AFTER INSERT ON captured_messages BEGIN
    INSERT INTO captured_messages_text (rowid, content) VALUES (new.id, new.content);
END""",
    """CREATE TRIGGER captured_messages_deleted AFTER DELETE ON captured_messages BEGIN
    INSERT INTO captured_messages_text (captured_messages_text, rowid, content)
    VALUES ('delete', old.id, old.content);
END""",
)
"""An index over the text that is kept where it is; the triggers keep them in step."""

POSTGRES_INDEX = (
    r"""ALTER TABLE captured_messages ADD COLUMN terms tsvector GENERATED ALWAYS AS (
    to_tsvector('simple', regexp_replace(left(content, 100000), '[\x01-/:-@[-`{-\x7f]+', ' ', 'g'))
) STORED""",
    "CREATE INDEX ix_captured_messages_terms ON captured_messages USING gin (terms)",
)
"""Words are cut at ASCII's marks, as FTS5 does, for Postgres' own parser makes one word of an address or a path; so
much of a text is indexed as no tsvector is too small for."""

for _dialect, _statements in (("sqlite", SQLITE_INDEX), ("postgresql", POSTGRES_INDEX)):
    for _statement in _statements:
        # DDL formats its text with %
        _ddl = DDL(_statement.replace("%", "%%")).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(core(CapturedMessageRow), "after_create", _ddl)
