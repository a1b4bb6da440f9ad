"""Object storage."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"

TEXT = sa.String()
BY_BYTES = sa.String().with_variant(sa.String(collation="C"), "postgresql")
LONG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    create_accounts_and_buckets()
    create_objects()
    create_uploads()
    create_access_keys()
    create_allocations()


def create_accounts_and_buckets() -> None:
    op.create_table(
        "s3_accounts",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("stored_bytes", LONG, nullable=False),
        sa.Column("metered_at", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", name="pk_s3_accounts"),
    )
    op.create_table(
        "s3_buckets",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_us", LONG, nullable=False),
        sa.Column("object_count", LONG, nullable=False),
        sa.Column("size_bytes", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "name", name="pk_s3_buckets"),
    )


def create_objects() -> None:
    op.create_table(
        "s3_objects",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("bucket", TEXT, nullable=False),
        sa.Column("key", BY_BYTES, nullable=False),
        sa.Column("content_id", TEXT, nullable=False),
        sa.Column("size_bytes", LONG, nullable=False),
        sa.Column("etag", TEXT, nullable=False),
        sa.Column("modified_us", LONG, nullable=False),
        sa.Column("headers", DOCUMENT, nullable=False),
        sa.Column("user_metadata", DOCUMENT, nullable=False),
        sa.Column("checksums", DOCUMENT, nullable=False),
        sa.Column("checksum_type", TEXT, nullable=False),
        sa.Column("part_count", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "bucket", "key", name="pk_s3_objects"),
    )
    op.create_table(
        "s3_parts",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("content_id", TEXT, nullable=False),
        sa.Column("number", LONG, nullable=False),
        sa.Column("blob_key", TEXT, nullable=False),
        sa.Column("size_bytes", LONG, nullable=False),
        sa.Column("etag", TEXT, nullable=False),
        sa.Column("checksums", DOCUMENT, nullable=False),
        sa.Column("modified_us", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "content_id", "number", name="pk_s3_parts"),
    )


def create_uploads() -> None:
    op.create_table(
        "s3_uploads",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("bucket", TEXT, nullable=False),
        sa.Column("key", BY_BYTES, nullable=False),
        sa.Column("initiated_us", LONG, nullable=False),
        sa.Column("headers", DOCUMENT, nullable=False),
        sa.Column("user_metadata", DOCUMENT, nullable=False),
        sa.Column("checksum_algorithm", TEXT, nullable=True),
        sa.Column("checksum_type", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_s3_uploads"),
    )
    op.create_index("ix_s3_uploads_bucket", "s3_uploads", ["project_id", "bucket", "key", "id"])


def create_access_keys() -> None:
    op.create_table(
        "s3_access_keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("last4", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_s3_access_keys_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_s3_access_keys"),
    )
    op.create_index("ix_s3_access_keys_project_id", "s3_access_keys", ["project_id"])


def create_allocations() -> None:
    op.create_table(
        "storage_allocations",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("blocks", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "month", name="pk_storage_allocations"),
    )
    op.create_table(
        "storage_purchases",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("idempotency_key", TEXT, nullable=False),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("blocks", LONG, nullable=False),
        sa.Column("cost_micros", LONG, nullable=False),
        sa.Column("bought_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "idempotency_key", name="pk_storage_purchases"),
    )
