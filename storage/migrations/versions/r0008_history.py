"""The history of requests: how each was answered, sums by the hour, feedback."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"

TEXT = sa.String()
LONG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
ASKED = sa.text("kind IS NOT NULL")
NOT_COMPLETED = sa.text("kind IS NOT NULL AND state <> 'completed'")
SUMS = (
    "requests", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_micros", "prompt_cost_micros",
    "cached_cost_micros", "free_prompt_tokens", "free_cached_tokens", "free_completion_tokens", "prompt_meters",
    "cached_meters", "completion_meters", "tries", "requeues", "first_bytes", "cache_hits",
)  # fmt: skip

BACKFILL = """
UPDATE requests SET requested_model = model, kind = CASE operation_id
    WHEN 'chat_completions_create' THEN 'chat'
    WHEN 'completions_create' THEN 'completion'
    WHEN 'responses_create' THEN 'response'
    WHEN 'embeddings_create' THEN 'embedding'
    WHEN 'batch_chat_completions_create' THEN 'chat_batch'
    WHEN 'batch_completions_create' THEN 'completion_batch'
END
"""
GRAINS = ("'*', '*', state, COALESCE(error_code, '')", "api, COALESCE(model, ''), '*', '*'")
HOURS = {
    "sqlite": "CAST(strftime('%s', started_at) AS INTEGER) / 3600 * 3600",
    "postgresql": "floor(extract(epoch FROM started_at) / 3600)::bigint * 3600",
}
# what earlier requests cost was not told apart: all of it is for what they answered
BACKFILL_HOURS = """
INSERT INTO request_hours (hour, project_id, kind, api, model, state, error_code, {sums})
SELECT {hour}, project_id, kind, {grain},
    COUNT(*), SUM(prompt_tokens), SUM(completion_tokens), SUM(cached_tokens), SUM(cost_micros), 0, 0,
    SUM(prompt_tokens - cached_tokens), SUM(cached_tokens),
    SUM(CASE WHEN cost_micros = 0 THEN completion_tokens ELSE 0 END),
    SUM(CASE WHEN prompt_tokens > cached_tokens THEN 1 ELSE 0 END),
    SUM(CASE WHEN cached_tokens > 0 THEN 1 ELSE 0 END),
    SUM(CASE WHEN completion_tokens > 0 THEN 1 ELSE 0 END),
    0, 0, SUM(CASE WHEN first_byte_us IS NULL THEN 0 ELSE 1 END), 0
FROM requests WHERE kind IS NOT NULL AND project_id IS NOT NULL AND state <> 'started'
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


def upgrade() -> None:
    change_requests()
    create_request_hours()
    create_request_feedback()
    op.execute(BACKFILL)
    hour = HOURS[op.get_bind().dialect.name]
    for grain in GRAINS:
        op.execute(BACKFILL_HOURS.format(sums=", ".join(SUMS), hour=hour, grain=grain))


def change_requests() -> None:
    for column in (
        sa.Column("kind", TEXT, nullable=True),
        sa.Column("requested_model", TEXT, nullable=True),
        sa.Column("region", TEXT, nullable=True),
        sa.Column("fallbacks", LONG, nullable=False, server_default=sa.text("0")),
        sa.Column("cache_hit", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("prompt_cost_micros", LONG, nullable=False, server_default=sa.text("0")),
        sa.Column("cached_cost_micros", LONG, nullable=False, server_default=sa.text("0")),
        sa.Column("try_count", LONG, nullable=False, server_default=sa.text("0")),
        sa.Column("requeues", LONG, nullable=False, server_default=sa.text("0")),
        sa.Column("tries", JSON, nullable=True),
        sa.Column("replay_of", TEXT, nullable=True),
    ):
        op.add_column("requests", column)
    op.drop_index("ix_requests_project_id_started_at", "requests")
    index_history("ix_requests_history", "project_id")
    index_history("ix_requests_history_api", "project_id", "api")
    index_history("ix_requests_history_key", "key_id")
    index_history("ix_requests_history_model", "project_id", "model")
    index_history("ix_requests_history_unfinished", "project_id", "state", where=NOT_COMPLETED)
    index_history("ix_requests_everyones")
    index_history("ix_requests_everyones_model", "model")


def index_history(name: str, *columns: str, where: sa.TextClause = ASKED) -> None:
    place = [*columns, "started_at", "request_id"]
    op.create_index(name, "requests", place, sqlite_where=where, postgresql_where=where)


def create_request_hours() -> None:
    keys = ("project_id", "kind", "api", "model", "state", "error_code")
    op.create_table(
        "request_hours",
        sa.Column("hour", LONG, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in keys),
        *(sa.Column(name, LONG, nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint("hour", *keys, name="pk_request_hours"),
    )
    op.create_index("ix_request_hours_model_hour", "request_hours", ["model", "hour"])
    op.create_index("ix_request_hours_project_id_model_hour", "request_hours", ["project_id", "model", "hour"])


def create_request_feedback() -> None:
    op.create_table(
        "request_feedback",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("model", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("outcome", TEXT, nullable=True),
        sa.Column("task_type", TEXT, nullable=True),
        sa.Column("notes", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_request_feedback"),
    )
    for name in ("created_at", "project_id", "request_id"):
        op.create_index(f"ix_request_feedback_{name}", "request_feedback", [name])
