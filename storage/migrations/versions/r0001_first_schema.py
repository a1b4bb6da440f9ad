"""The first schema: tenancy, spending, traffic."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

TEXT = sa.String()
LONG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
LIVE = sa.text("deleted_at IS NULL")
OPEN = sa.text("state = 'started'")


def upgrade() -> None:
    create_organisations()
    create_projects()
    create_api_keys()
    create_admin_tokens()
    create_audit_log()
    create_changes()
    create_limits()
    create_limit_windows()
    create_credit_accounts()
    create_credit_entries()
    create_processes()
    create_requests()
    create_idempotency_keys()
    create_registered_models()


def create_organisations() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisations"),
        sa.UniqueConstraint("slug", name="uq_organisations_slug"),
    )


def create_projects() -> None:
    op.create_table(
        "projects",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("organisation_id", TEXT, nullable=False),
        sa.Column("slug", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name="fk_projects_organisation_id"),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    op.create_index("ix_projects_organisation_id", "projects", ["organisation_id"])
    op.create_index("uq_projects_slug", "projects", ["slug"], unique=True, sqlite_where=LIVE, postgresql_where=LIVE)


def create_api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("prefix", TEXT, nullable=False),
        sa.Column("last4", TEXT, nullable=False),
        sa.Column("models", JSON, nullable=True),
        sa.Column("apis", JSON, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("last_used_at", TIME, nullable=True),
        sa.Column("replaced_by", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_api_keys_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
    )
    op.create_index("ix_api_keys_project_id", "api_keys", ["project_id"])


def create_admin_tokens() -> None:
    op.create_table(
        "admin_tokens",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.Column("last4", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_admin_tokens"),
        sa.UniqueConstraint("digest", name="uq_admin_tokens_digest"),
    )


def create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", TEXT, nullable=False),
        sa.Column("act", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=True),
        sa.Column("detail", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
    )
    op.create_index("ix_audit_log_project_id", "audit_log", ["project_id"])


def create_changes() -> None:
    op.create_table(
        "changes",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("counter", LONG, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_changes"),
    )


def create_limits() -> None:
    op.create_table(
        "limits",
        sa.Column("subject_id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("requests_per_minute", LONG, nullable=True),
        sa.Column("tokens_per_minute", LONG, nullable=True),
        sa.Column("tokens_per_day", LONG, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_limits_project_id"),
        sa.PrimaryKeyConstraint("subject_id", name="pk_limits"),
    )
    op.create_index("ix_limits_project_id", "limits", ["project_id"])


def create_limit_windows() -> None:
    op.create_table(
        "limit_windows",
        sa.Column("subject_id", TEXT, nullable=False),
        sa.Column("metric", TEXT, nullable=False),
        sa.Column("window_start", LONG, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("taken", LONG, nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "metric", "window_start", name="pk_limit_windows"),
    )


def create_credit_accounts() -> None:
    op.create_table(
        "credit_accounts",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("balance_micros", LONG, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_credit_accounts_project_id"),
        sa.PrimaryKeyConstraint("project_id", name="pk_credit_accounts"),
    )


def create_credit_entries() -> None:
    op.create_table(
        "credit_entries",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("amount_micros", LONG, nullable=False),
        sa.Column("request_id", TEXT, nullable=True),
        sa.Column("note", TEXT, nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_credit_entries_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_credit_entries"),
    )
    op.create_index("ix_credit_entries_project_id", "credit_entries", ["project_id"])
    op.create_index("ix_credit_entries_request_id", "credit_entries", ["request_id"])


def create_processes() -> None:
    op.create_table(
        "processes",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("lease_until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_processes"),
    )


def create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("api", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("project_id", TEXT, nullable=True),
        sa.Column("key_id", TEXT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("error_code", TEXT, nullable=True),
        sa.Column("streamed", sa.Boolean(), nullable=False),
        sa.Column("model", TEXT, nullable=True),
        sa.Column("provider", TEXT, nullable=True),
        sa.Column("upstream_model", TEXT, nullable=True),
        sa.Column("prompt_tokens", LONG, nullable=False),
        sa.Column("completion_tokens", LONG, nullable=False),
        sa.Column("cached_tokens", LONG, nullable=False),
        sa.Column("cache_write_tokens", LONG, nullable=False),
        sa.Column("reasoning_tokens", LONG, nullable=False),
        sa.Column("cost_micros", LONG, nullable=False),
        sa.Column("duration_us", LONG, nullable=True),
        sa.Column("first_byte_us", LONG, nullable=True),
        sa.Column("finish_reason", TEXT, nullable=True),
        sa.Column("metadata", JSON, nullable=True),
        sa.Column("process_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_requests"),
    )
    op.create_index("ix_requests_open", "requests", ["process_id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_index("ix_requests_project_id_started_at", "requests", ["project_id", "started_at", "request_id"])


def create_idempotency_keys() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("claim_id", TEXT, nullable=False),
        sa.Column("process_id", TEXT, nullable=False),
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", JSON, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def create_registered_models() -> None:
    op.create_table(
        "registered_models",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("identifier", TEXT, nullable=False),
        sa.Column("provider_resource_id", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("model_type", TEXT, nullable=False),
        sa.Column("metadata", JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_registered_models_project_id"),
        sa.PrimaryKeyConstraint("project_id", "identifier", name="pk_registered_models"),
    )
