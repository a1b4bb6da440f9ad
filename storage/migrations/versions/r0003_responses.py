"""Responses."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT = sa.String()


def upgrade() -> None:
    op.create_table(
        "responses",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("previous_response_id", TEXT, nullable=True),
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_responses"),
    )
    op.create_index("ix_responses_project_id_created_at", "responses", ["project_id", "created_at", "id"])
