"""Captured messages, the policies by which they are kept, and open streams."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

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

POSTGRES_INDEX = (
    r"""ALTER TABLE captured_messages ADD COLUMN terms tsvector GENERATED ALWAYS AS (
    to_tsvector('simple', regexp_replace(left(content, 100000), '[\x01-/:-@[-`{-\x7f]+', ' ', 'g'))
) STORED""",
    "CREATE INDEX ix_captured_messages_terms ON captured_messages USING gin (terms)",
)


def upgrade() -> None:
    create_capture_policies()
    create_captured_messages()
    create_open_streams()


def create_capture_policies() -> None:
    op.create_table(
        "capture_policies",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("policy", DOCUMENT, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("updated_by", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_capture_policies_project_id"),
        sa.PrimaryKeyConstraint("project_id", name="pk_capture_policies"),
    )


def create_captured_messages() -> None:
    op.create_table(
        "captured_messages",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("message_seq", sa.Integer(), nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("role", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=True),
        sa.Column("content", TEXT, nullable=False),
        sa.Column("is_truncated", sa.Boolean(), nullable=False),
        sa.Column("details", TEXT, nullable=True),
        sa.Column("redaction", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_captured_messages"),
    )
    op.create_index("ix_captured_messages_project_id_at", "captured_messages", ["project_id", "at"])
    op.create_index("uq_captured_messages_request_id", "captured_messages", ["request_id", "message_seq"], unique=True)
    for statement in SQLITE_INDEX if op.get_context().dialect.name == "sqlite" else POSTGRES_INDEX:
        op.execute(sa.text(statement.replace(":", r"\:")))


def create_open_streams() -> None:
    op.create_table(
        "open_streams",
        sa.Column("process_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("streams", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("process_id", name="pk_open_streams"),
    )
