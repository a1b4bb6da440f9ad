"""What is done in the background: jobs, what they tell while they run, and when they are to be made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from storage.tables.types import Instant, Row, Verbatim

UNFINISHED = text("finished_at IS NULL")


class JobRow(Row, table=True):
    """`process_id` is who runs it, or ran it last; a running job without one was handed back. `crashes` counts the
    processes that died over it without getting further. The server's own jobs have no project."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_project_id_created_at", "project_id", "created_at", "id"),
        Index("ix_jobs_unfinished", "state", "created_at", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
    )

    id: str = Field(primary_key=True)
    project_id: str | None = None
    kind: str
    input: Any = Field(sa_type=Verbatim, nullable=True)
    state: str
    progress: float = 0.0
    note: str | None = None
    result: Any = Field(default=None, sa_type=Verbatim, nullable=True)
    error_code: str | None = None
    error_message: str | None = None
    process_id: str | None = None
    crashes: int = 0
    is_cancelling: bool = False
    created_at: datetime = Field(sa_type=Instant)
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    finished_at: datetime | None = Field(default=None, sa_type=Instant, index=True)


class JobEventRow(Row, table=True):
    """`sequence` counts from 1 in each job. `mark` is the place in the job's course that an event was told at: told
    again there, after a crash, it is the same event."""

    __tablename__ = "job_events"
    __table_args__ = (Index("uq_job_events_mark", "job_id", "mark", unique=True),)

    job_id: str = Field(primary_key=True)
    sequence: int = Field(primary_key=True, sa_type=BigInteger)
    project_id: str | None = None
    at: datetime = Field(sa_type=Instant)
    kind: str
    data: Any = Field(sa_type=Verbatim, nullable=True)
    mark: str


class JobScheduleRow(Row, table=True):
    """A job of this kind is made at `next_at`, and then at the next time that `cron` names, in UTC."""

    __tablename__ = "job_schedules"

    id: str = Field(primary_key=True)
    project_id: str | None = Field(default=None, index=True)
    kind: str
    input: Any = Field(sa_type=Verbatim, nullable=True)
    cron: str
    next_at: datetime = Field(sa_type=Instant, index=True)
