"""Documents that come into a store without a file."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0014"

TEXT = sa.String()
LONG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_documents()


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
