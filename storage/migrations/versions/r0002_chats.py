"""Containers, stored chats, traces."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

TEXT = sa.String()
LONG = sa.BigInteger()
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
LIVE = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    create_containers()
    create_submodels()
    create_chat_completions()
    create_trace_entries()


def create_containers() -> None:
    op.create_table(
        "containers",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("label", TEXT, nullable=False),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("initial_model", TEXT, nullable=False),
        sa.Column("default_model", TEXT, nullable=True),
        sa.Column("default_system_prompt", TEXT, nullable=True),
        sa.Column("default_parameters", JSON, nullable=True),
        sa.Column("options", JSON, nullable=False),
        sa.Column("default_few_shot_messages", JSON, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_containers_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_containers"),
    )
    op.create_index("ix_containers_project_id_created_at", "containers", ["project_id", "created_at", "id"])
    op.create_index(
        "uq_containers_label",
        "containers",
        ["project_id", "label"],
        unique=True,
        sqlite_where=LIVE,
        postgresql_where=LIVE,
    )


def create_submodels() -> None:
    op.create_table(
        "submodels",
        sa.Column("container_id", TEXT, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("default_system_prompt", TEXT, nullable=True),
        sa.Column("default_parameters", JSON, nullable=True),
        sa.Column("options", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["container_id"], ["containers.id"], name="fk_submodels_container_id"),
        sa.PrimaryKeyConstraint("container_id", "slug", name="pk_submodels"),
    )
    op.create_index("ix_submodels_project_id", "submodels", ["project_id"])


def create_chat_completions() -> None:
    op.create_table(
        "chat_completions",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("model", TEXT, nullable=True),
        sa.Column("provider", TEXT, nullable=True),
        sa.Column("container_id", TEXT, nullable=True),
        sa.Column("container", TEXT, nullable=True),
        sa.Column("cost_micros", LONG, nullable=False),
        sa.Column("metadata", JSON, nullable=True),
        sa.Column("tags", JSON, nullable=True),
        sa.Column("trace", JSON, nullable=True),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_chat_completions"),
    )
    in_order = ["created_at", "key"]
    op.create_index("ix_chat_completions_project_id_created_at", "chat_completions", ["project_id", *in_order])
    op.create_index("ix_chat_completions_project_id_model", "chat_completions", ["project_id", "model", *in_order])
    op.create_index("ix_chat_completions_container_id", "chat_completions", ["container_id", *in_order])
    op.create_index("ix_chat_completions_project_id_id", "chat_completions", ["project_id", "id"])


def create_trace_entries() -> None:
    op.create_table(
        "trace_entries",
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("trace_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("span_id", TEXT, nullable=True),
        sa.Column("parent_span_id", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("source", TEXT, nullable=True),
        sa.Column("container_id", TEXT, nullable=True),
        sa.Column("context", JSON, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_trace_entries"),
    )
    columns = ["project_id", "trace_id", "at", "request_id"]
    op.create_index("ix_trace_entries_project_id_trace_id", "trace_entries", columns)
