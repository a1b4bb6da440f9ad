"""Batches and their rows."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
LONG = sa.BigInteger()


def upgrade() -> None:
    create_batches()
    create_batch_rows()


def create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("project", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("models", TEXT, nullable=True),
        sa.Column("endpoint", TEXT, nullable=False),
        sa.Column("input_file_id", TEXT, nullable=False),
        sa.Column("blob_key", TEXT, nullable=False),
        sa.Column("window_seconds", LONG, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("deadline_at", TIME, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("told", TEXT, nullable=True),
        sa.Column("total", LONG, nullable=False),
        sa.Column("completed", LONG, nullable=False),
        sa.Column("failed", LONG, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("cancel_requested_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("output_file_id", TEXT, nullable=True),
        sa.Column("error_file_id", TEXT, nullable=True),
        sa.Column("faults", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
    )
    op.create_index("ix_batches_project_id_created_at", "batches", ["project_id", "created_at", "id"])


def create_batch_rows() -> None:
    op.create_table(
        "batch_rows",
        sa.Column("batch_id", TEXT, nullable=False),
        sa.Column("number", LONG, nullable=False),
        sa.Column("custom_id", TEXT, nullable=True),
        sa.Column("start", LONG, nullable=False),
        sa.Column("size_bytes", LONG, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("line", TEXT, nullable=True),
        sa.Column("updated_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_batch_rows"),
    )
