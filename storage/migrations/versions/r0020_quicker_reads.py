"""Captured messages are indexed by what they are filtered by, too, and by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

MARKS = """'p' || hex({0}.project_id) || ' k' || hex({0}.kind) || ' r' || hex({0}.role)
        || CASE WHEN {0}.model IS NULL THEN '' ELSE ' m' || hex({0}.model) END"""
CAPTURED = (
    "DROP TRIGGER captured_messages_inserted",
    "DROP TRIGGER captured_messages_deleted",
    "DROP TABLE captured_messages_text",
    """CREATE VIRTUAL TABLE captured_messages_text USING fts5(
    content, marks, content='', tokenize='unicode61 remove_diacritics 0'
)""",
    """CREATE TABLE captured_messages_text_hours (
    hour TEXT NOT NULL PRIMARY KEY, first_id INTEGER NOT NULL, last_id INTEGER NOT NULL
) WITHOUT ROWID""",
    """INSERT INTO captured_messages_text (rowid, content, marks)
SELECT id, content, {captured_messages} FROM captured_messages ORDER BY id""",
    """INSERT INTO captured_messages_text_hours
SELECT substr(at, 1, 13), min(id), max(id) FROM captured_messages GROUP BY 1""",
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


def upgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        marks = {table: MARKS.format(table) for table in ("new", "old", "captured_messages")}
        for statement in CAPTURED:
            op.execute(sa.text(statement.format(**marks).replace(":", r"\:")))
