"""Vendors' keys that projects bring, and keys that sign for regions."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_provider_credentials()
    create_region_keys()


def create_provider_credentials() -> None:
    op.create_table(
        "provider_credentials",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("provider", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("last4", TEXT, nullable=False),
        sa.Column("base_url", TEXT, nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_tested_at", TIME, nullable=True),
        sa.Column("last_error", TEXT, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_provider_credentials_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_provider_credentials"),
    )
    op.create_index("ix_provider_credentials_project_id", "provider_credentials", ["project_id"])


def create_region_keys() -> None:
    op.create_table(
        "region_keys",
        sa.Column("kid", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("node_id", TEXT, nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("rotated_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("kid", name="pk_region_keys"),
    )
    op.create_index("ix_region_keys_region", "region_keys", ["region"])
