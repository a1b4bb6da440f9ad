"""Files and their blobs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
LONG = sa.BigInteger()


def upgrade() -> None:
    create_blobs()
    create_files()


def create_blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("holders", LONG, nullable=False),
        sa.Column("removable_at", TIME, nullable=True),
        sa.Column("is_doomed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_blobs"),
    )
    unheld = sa.text("removable_at IS NOT NULL")
    op.create_index("ix_blobs_unheld", "blobs", ["removable_at"], sqlite_where=unheld, postgresql_where=unheld)


def create_files() -> None:
    op.create_table(
        "files",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("filename", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("media_type", TEXT, nullable=False),
        sa.Column("size_bytes", LONG, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("blob_key", TEXT, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
    )
    op.create_index("ix_files_project_id_created_at", "files", ["project_id", "created_at", "id"])
    op.create_index("ix_files_project_id_purpose", "files", ["project_id", "purpose", "created_at", "id"])
    lasting = sa.text("deleted_at IS NULL AND expires_at IS NOT NULL")
    op.create_index("ix_files_expires_at", "files", ["expires_at"], sqlite_where=lasting, postgresql_where=lasting)
    deleted = sa.text("deleted_at IS NOT NULL")
    op.create_index("ix_files_deleted_at", "files", ["deleted_at"], sqlite_where=deleted, postgresql_where=deleted)
