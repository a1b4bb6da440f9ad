"""Source maps, and which events of apps were taken."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
LONG = sa.BigInteger()


def upgrade() -> None:
    create_app_events()
    create_source_maps()


def create_app_events() -> None:
    op.create_table(
        "app_events",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "key", name="pk_app_events"),
    )
    op.create_index("ix_app_events_expires_at", "app_events", ["expires_at"])


def create_source_maps() -> None:
    names = ("artifact_name", "file_name", "artifact_base", "file_base")
    texts = ("id", "project_id", "release", *names, "content_type")
    op.create_table(
        "source_maps",
        *(sa.Column(name, TEXT, nullable=False) for name in texts),
        sa.Column("original_bytes", LONG, nullable=False),
        sa.Column("compressed_bytes", LONG, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("blob_key", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source_maps"),
    )
    of_release = ["project_id", "release"]
    op.create_index("uq_source_maps_names", "source_maps", [*of_release, "artifact_name", "file_name"], unique=True)
    for base in ("artifact_base", "file_base"):
        op.create_index(f"ix_source_maps_{base}", "source_maps", [*of_release, base])
    op.create_index("ix_source_maps_used_at", "source_maps", ["used_at"])
