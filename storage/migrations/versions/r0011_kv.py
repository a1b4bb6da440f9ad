"""Keys and values, and meters."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

TEXT = sa.String()
BY_BYTES = sa.String().with_variant(sa.String(collation="C"), "postgresql")
LONG = sa.BigInteger()


def upgrade() -> None:
    create_kv_items()
    create_kv_tables()
    create_meters()


def create_kv_items() -> None:
    op.create_table(
        "kv_items",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("key", BY_BYTES, nullable=False),
        sa.Column("mode", TEXT, nullable=False),
        sa.Column("content_type", TEXT, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("version", LONG, nullable=False),
        sa.Column("size_bytes", LONG, nullable=False),
        sa.Column("created_us", LONG, nullable=False),
        sa.Column("updated_us", LONG, nullable=False),
        sa.Column("expires_us", LONG, nullable=True),
        sa.PrimaryKeyConstraint("project_id", "key", name="pk_kv_items"),
    )
    expiring = sa.text("expires_us IS NOT NULL")
    op.create_index(
        "ix_kv_items_expiring",
        "kv_items",
        ["project_id", "expires_us"],
        sqlite_where=expiring,
        postgresql_where=expiring,
    )


def create_kv_tables() -> None:
    op.create_table(
        "kv_tables",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("item_count", LONG, nullable=False),
        sa.Column("storage_bytes", LONG, nullable=False),
        sa.Column("created_us", LONG, nullable=False),
        sa.Column("updated_us", LONG, nullable=False),
        sa.Column("metered_at", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", name="pk_kv_tables"),
    )


def create_meters() -> None:
    op.create_table(
        "meters",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("day", TEXT, nullable=False),
        sa.Column("amount", LONG, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "kind", "day", name="pk_meters"),
    )
