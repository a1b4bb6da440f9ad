"""Batches of requests that are answered in the background, and their rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from storage.tables.types import Instant, Row, Verbatim


class BatchRow(Row, table=True):
    """`blob_key` are the bytes of the input file, which an unfinished batch holds. `models` is what the key that made
    it is limited to. `completed` and `failed` count rows and change in the transaction that changes these."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_project_id_created_at", "project_id", "created_at", "id"),)

    id: str = Field(primary_key=True)
    project_id: str
    project: str
    key_id: str | None = None
    models: Any = Field(default=None, sa_type=Verbatim, nullable=True)
    endpoint: str
    input_file_id: str
    blob_key: str
    window_seconds: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=Instant)
    deadline_at: datetime = Field(sa_type=Instant)
    status: str
    told: Any = Field(default=None, sa_type=Verbatim, nullable=True)
    total: int = Field(default=0, sa_type=BigInteger)
    completed: int = Field(default=0, sa_type=BigInteger)
    failed: int = Field(default=0, sa_type=BigInteger)
    started_at: datetime | None = Field(default=None, sa_type=Instant)
    cancel_requested_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    output_file_id: str | None = None
    error_file_id: str | None = None
    faults: Any = Field(default=None, sa_type=Verbatim, nullable=True)


class BatchItemRow(Row, table=True):
    """One row of a batch: `start` and `size_bytes` say where it stands in the input, `line` is its line of the output
    or the error file."""

    __tablename__ = "batch_rows"

    batch_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    custom_id: str | None = None
    start: int = Field(sa_type=BigInteger)
    size_bytes: int = Field(sa_type=BigInteger)
    status: str
    line: str | None = None
    updated_at: datetime | None = Field(default=None, sa_type=Instant)
