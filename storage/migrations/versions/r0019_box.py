"""Documents that come into a store without a file; Project Boxes, and the workers that fill them."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

TEXT = sa.String()
LONG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_documents()
    create_queries()
    create_workers()
    op.add_column("vector_store_files", sa.Column("tokens", LONG, nullable=False, server_default=sa.text("0")))
    boxed = sa.text("store_id = 'project-box'")
    op.create_index(
        "ix_vector_store_files_box",
        "vector_store_files",
        ["status", "error_code"],
        sqlite_where=boxed,
        postgresql_where=boxed,
    )


def create_documents() -> None:
    table = "vector_store_documents"
    op.create_table(
        table,
        sa.Column("document_no", SERIAL, autoincrement=False, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("store_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("usage_bytes", LONG, nullable=False),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("document_no", name="pk_vector_store_documents"),
    )
    op.create_index("ix_vector_store_documents_name", table, ["project_id", "store_id", "name"])
    ending = sa.text("expires_at IS NOT NULL")
    op.create_index(
        "ix_vector_store_documents_expires_at", table, ["expires_at"], sqlite_where=ending, postgresql_where=ending
    )


def create_queries() -> None:
    op.create_table(
        "box_queries",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("number", LONG, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("question", TEXT, nullable=False),
        sa.Column("answer", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("tokens", LONG, nullable=False),
        sa.Column("cost_micros", LONG, nullable=False),
        sa.Column("retrieved", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "number", name="pk_box_queries"),
    )
    op.create_table(
        "box_totals",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("queries", LONG, nullable=False),
        sa.Column("tokens", LONG, nullable=False),
        sa.Column("cost_micros", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", name="pk_box_totals"),
    )


def create_workers() -> None:
    op.create_table(
        "job_workers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("beat_at", TIME, nullable=False),
        sa.Column("tools", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_workers"),
    )
    op.create_index("ix_job_workers_beat_at", "job_workers", ["beat_at"])
