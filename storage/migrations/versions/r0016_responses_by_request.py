"""Responses are found by the request that made them."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_index("ix_responses_request_id", "responses", ["request_id"])
