"""What clients log of their own doings: traces, their spans, messages and points of metrics.

Attributes and labels are JSON text, for they may hold a NUL. A row is gone once `expires_at` is past, whether it is
still there or not.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, text
from sqlmodel import Field

from storage.tables.types import Instant, Row, Serial


class TelemetryTraceRow(Row, table=True):
    """Kept up with the spans: from the start of the first to the end of the root. `is_rooted` says that the root has
    no parent; else it is the earliest span that is known."""

    __tablename__ = "telemetry_traces"
    __table_args__ = (Index("ix_telemetry_traces_project_id_started_at", "project_id", "started_at", "trace_id"),)

    project_id: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    root_span_id: str
    is_rooted: bool
    started_at: datetime = Field(sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant, index=True)


class TelemetrySpanRow(Row, table=True):
    """One whose end was logged before its start has no `started_at` yet, and is not seen."""

    __tablename__ = "telemetry_spans"
    __table_args__ = (Index("ix_telemetry_spans_project_id_span_id", "project_id", "span_id"),)

    project_id: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    span_id: str = Field(primary_key=True)
    parent_span_id: str | None = None
    name: str | None = None
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    status: str | None = None
    attributes: str
    expires_at: datetime = Field(sa_type=Instant, index=True)


class TelemetryAttributeRow(Row, table=True):
    """A span's attribute, to be found by: `number` when it is one, else `value` (`attributes.Stored`)."""

    __tablename__ = "telemetry_attributes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["project_id", "trace_id", "span_id"],
            ["telemetry_spans.project_id", "telemetry_spans.trace_id", "telemetry_spans.span_id"],
            name="fk_telemetry_attributes_span",
            ondelete="CASCADE",
        ),
        Index(
            "ix_telemetry_attributes_value",
            "project_id",
            "key",
            "value",
            "trace_id",
            sqlite_where=text("value IS NOT NULL"),
            postgresql_where=text("value IS NOT NULL"),
        ),
        Index(
            "ix_telemetry_attributes_number",
            "project_id",
            "key",
            "number",
            "trace_id",
            sqlite_where=text("number IS NOT NULL"),
            postgresql_where=text("number IS NOT NULL"),
        ),
    )

    project_id: str = Field(primary_key=True)
    trace_id: str = Field(primary_key=True)
    span_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    value: bytes | None = Field(default=None, sa_type=LargeBinary)
    number: float | None = None


class TelemetryMessageRow(Row, table=True):
    """An unstructured line of a client's log."""

    __tablename__ = "telemetry_messages"
    __table_args__ = (Index("ix_telemetry_messages_project_id_trace_id", "project_id", "trace_id", "id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    project_id: str
    trace_id: str
    span_id: str
    at: datetime = Field(sa_type=Instant)
    severity: str
    message: str
    attributes: str
    expires_at: datetime = Field(sa_type=Instant, index=True)


class TelemetryPointRow(Row, table=True):
    """A value of a metric. `at_us` is microseconds since 1970, `labels` an object of texts in one order."""

    __tablename__ = "telemetry_points"
    __table_args__ = (Index("ix_telemetry_points_project_id_name", "project_id", "name", "at_us"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    project_id: str
    trace_id: str
    span_id: str
    name: str
    at_us: int = Field(sa_type=BigInteger)
    value: float
    unit: str
    labels: str
    expires_at: datetime = Field(sa_type=Instant, index=True)
