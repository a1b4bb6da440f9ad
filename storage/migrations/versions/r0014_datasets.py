"""Datasets and their rows."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
LONG = sa.BigInteger()


def upgrade() -> None:
    create_datasets()
    create_dataset_chunks()


def create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("built_at", TIME, nullable=True),
        sa.Column("size", LONG, nullable=False),
        sa.Column("container_id", TEXT, nullable=True),
        sa.Column("about", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_datasets"),
    )
    op.create_index("uq_datasets_id", "datasets", ["project_id", "id"], unique=True)
    op.create_index("ix_datasets_project_id_created_at", "datasets", ["project_id", "created_at", "key"])
    op.create_index("ix_datasets_container_id", "datasets", ["project_id", "container_id", "created_at", "key"])


def create_dataset_chunks() -> None:
    op.create_table(
        "dataset_chunks",
        sa.Column("dataset_key", TEXT, nullable=False),
        sa.Column("first", LONG, nullable=False),
        sa.Column("size", LONG, nullable=False),
        sa.Column("lines", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("dataset_key", "first", name="pk_dataset_chunks"),
    )
