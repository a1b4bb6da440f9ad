"""What clients log: traces, spans, messages and points of metrics."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

TEXT = sa.String()
TIME = sa.DateTime(timezone=True)
LONG = sa.BigInteger()
SERIAL = LONG.with_variant(sa.Integer(), "sqlite")
SPAN = ("project_id", "trace_id", "span_id")


def upgrade() -> None:
    create_traces()
    create_spans()
    create_attributes()
    create_messages()
    create_points()


def create_traces() -> None:
    op.create_table(
        "telemetry_traces",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("trace_id", TEXT, nullable=False),
        sa.Column("root_span_id", TEXT, nullable=False),
        sa.Column("is_rooted", sa.Boolean(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "trace_id", name="pk_telemetry_traces"),
    )
    columns = ["project_id", "started_at", "trace_id"]
    op.create_index("ix_telemetry_traces_project_id_started_at", "telemetry_traces", columns)
    op.create_index("ix_telemetry_traces_expires_at", "telemetry_traces", ["expires_at"])


def create_spans() -> None:
    op.create_table(
        "telemetry_spans",
        *(sa.Column(name, TEXT, nullable=False) for name in SPAN),
        sa.Column("parent_span_id", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("status", TEXT, nullable=True),
        sa.Column("attributes", TEXT, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint(*SPAN, name="pk_telemetry_spans"),
    )
    op.create_index("ix_telemetry_spans_project_id_span_id", "telemetry_spans", ["project_id", "span_id"])
    op.create_index("ix_telemetry_spans_expires_at", "telemetry_spans", ["expires_at"])


def create_attributes() -> None:
    op.create_table(
        "telemetry_attributes",
        *(sa.Column(name, TEXT, nullable=False) for name in (*SPAN, "key")),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("number", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(*SPAN, "key", name="pk_telemetry_attributes"),
        sa.ForeignKeyConstraint(
            SPAN,
            [f"telemetry_spans.{name}" for name in SPAN],
            name="fk_telemetry_attributes_span",
            ondelete="CASCADE",
        ),
    )
    for name in ("value", "number"):
        there = sa.text(f"{name} IS NOT NULL")
        columns = ["project_id", "key", name, "trace_id"]
        op.create_index(
            f"ix_telemetry_attributes_{name}",
            "telemetry_attributes",
            columns,
            sqlite_where=there,
            postgresql_where=there,
        )


def create_messages() -> None:
    op.create_table(
        "telemetry_messages",
        sa.Column("id", SERIAL, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in SPAN),
        sa.Column("at", TIME, nullable=False),
        sa.Column("severity", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=False),
        sa.Column("attributes", TEXT, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_telemetry_messages"),
    )
    columns = ["project_id", "trace_id", "id"]
    op.create_index("ix_telemetry_messages_project_id_trace_id", "telemetry_messages", columns)
    op.create_index("ix_telemetry_messages_expires_at", "telemetry_messages", ["expires_at"])


def create_points() -> None:
    op.create_table(
        "telemetry_points",
        sa.Column("id", SERIAL, nullable=False),
        *(sa.Column(name, TEXT, nullable=False) for name in SPAN),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("at_us", LONG, nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("unit", TEXT, nullable=False),
        sa.Column("labels", TEXT, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_telemetry_points"),
    )
    op.create_index("ix_telemetry_points_project_id_name", "telemetry_points", ["project_id", "name", "at_us"])
    op.create_index("ix_telemetry_points_expires_at", "telemetry_points", ["expires_at"])
