"""Captured messages are indexed by what they are filtered by, too, and by the hour; sums of all projects, and of tokens
by provider; indices of the requests that were in vain."""

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
    "INSERT INTO captured_messages_text (captured_messages_text) VALUES ('optimize')",
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

IN_VAIN = sa.text("kind IS NOT NULL AND state IN ('failed', 'interrupted')")
SUMS = (
    "requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_micros", "prompt_cost_micros",
    "cached_cost_micros", "free_prompt_tokens", "free_cached_tokens", "free_completion_tokens", "prompt_meters",
    "cached_meters", "completion_meters", "tries", "requeues", "first_bytes", "cache_hits",
)  # fmt: skip
EVERYONES = """
INSERT INTO request_hours (hour, project_id, kind, api, model, state, error_code, {names})
SELECT hour, '*', '*', '*', '*', state, error_code, {sums}
FROM request_hours WHERE state <> '*' GROUP BY hour, state, error_code
"""
HOURS = {
    "sqlite": "CAST(strftime('%s', started_at) AS INTEGER) / 3600 * 3600",
    "postgresql": "floor(extract(epoch FROM started_at) / 3600)::bigint * 3600",
}
TOKENS = """
INSERT INTO request_tokens (project_id, hour, model, provider, prompt_tokens, completion_tokens)
SELECT project_id, {hour}, model, COALESCE(provider, ''), SUM(prompt_tokens), SUM(completion_tokens)
FROM requests
WHERE kind IS NOT NULL AND project_id IS NOT NULL AND model IS NOT NULL AND state <> 'started'
GROUP BY 1, 2, 3, 4
"""


def upgrade() -> None:
    add_sums()
    for columns in ("state",), ("model", "state"), ("project_id", "model", "state"):
        name = "_".join(("ix_requests_in_vain", *columns[:-1]))
        place = [*columns, "started_at", "request_id"]
        op.create_index(name, "requests", place, sqlite_where=IN_VAIN, postgresql_where=IN_VAIN)
    if op.get_context().dialect.name == "sqlite":
        marks = {table: MARKS.format(table) for table in ("new", "old", "captured_messages")}
        for statement in CAPTURED:
            op.execute(sa.text(statement.format(**marks).replace(":", r"\:")))


def add_sums() -> None:
    op.execute(EVERYONES.format(names=", ".join(SUMS), sums=", ".join(f"SUM({name})" for name in SUMS)))
    op.drop_index("ix_request_hours_model_api_hour", "request_hours")
    op.create_table(
        "request_tokens",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "hour", "model", "provider", name="pk_request_tokens"),
        sqlite_with_rowid=False,
    )
    hour = HOURS[op.get_bind().dialect.name]
    op.execute(sa.text(TOKENS.format(hour=hour).replace(":", r"\:")))
