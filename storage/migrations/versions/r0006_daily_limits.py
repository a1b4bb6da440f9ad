"""Limits on the requests and the money of a day."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("limits", sa.Column("requests_per_day", sa.BigInteger(), nullable=True))
    op.add_column("limits", sa.Column("micro_usd_per_day", sa.BigInteger(), nullable=True))
