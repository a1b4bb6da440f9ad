"""Datasets and their rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from storage.tables.types import Instant, Row, Verbatim


class DatasetRow(Row, table=True):
    """`id` is what clients call it, `key` our own. `about` is what a dialect shows of it again: where it came from, its
    columns, its purpose. One that is still being built has no `built_at`."""

    __tablename__ = "datasets"
    __table_args__ = (
        Index("uq_datasets_id", "project_id", "id", unique=True),
        Index("ix_datasets_project_id_created_at", "project_id", "created_at", "key"),
        Index("ix_datasets_container_id", "project_id", "container_id", "created_at", "key"),
    )

    key: str = Field(primary_key=True)
    project_id: str
    id: str
    created_at: datetime = Field(sa_type=Instant)
    built_at: datetime | None = Field(default=None, sa_type=Instant)
    size: int = Field(sa_type=BigInteger)
    container_id: str | None = None
    about: Any = Field(sa_type=Verbatim)
    fingerprint: str


class DatasetChunkRow(Row, table=True):
    """Rows `first` to `first + size - 1` of a dataset, one JSON object a line."""

    __tablename__ = "dataset_chunks"

    dataset_key: str = Field(primary_key=True)
    first: int = Field(primary_key=True, sa_type=BigInteger)
    size: int = Field(sa_type=BigInteger)
    lines: str
