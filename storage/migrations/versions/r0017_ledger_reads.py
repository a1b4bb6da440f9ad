"""Sums by the hour for each API, and an index for the requests that asked no model."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

SUMS = (
    "requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_micros", "prompt_cost_micros",
    "cached_cost_micros", "free_prompt_tokens", "free_cached_tokens", "free_completion_tokens", "prompt_meters",
    "cached_meters", "completion_meters", "tries", "requeues", "first_bytes", "cache_hits",
)  # fmt: skip
BACKFILL = """
INSERT INTO request_hours (hour, project_id, kind, api, model, state, error_code, {names})
SELECT hour, project_id, kind, api, '*', '*', '*', {sums}
FROM request_hours WHERE api <> '*' GROUP BY hour, project_id, kind, api
"""


def upgrade() -> None:
    op.execute(BACKFILL.format(names=", ".join(SUMS), sums=", ".join(f"SUM({name})" for name in SUMS)))
    op.drop_index("ix_request_hours_model_hour", "request_hours")
    op.drop_index("ix_request_hours_project_id_model_hour", "request_hours")
    op.create_index("ix_request_hours_model_api_hour", "request_hours", ["model", "api", "hour"])
    columns = ["project_id", "model", "api", "hour"]
    op.create_index("ix_request_hours_project_id_model_api_hour", "request_hours", columns)
    where = sa.text("kind IS NULL")
    place = ["project_id", "started_at", "request_id"]
    op.create_index("ix_requests_others", "requests", place, sqlite_where=where, postgresql_where=where)
