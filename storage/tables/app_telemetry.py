"""What apps of projects report. Their events are spans (`storage.tables.telemetry`); here is what is kept beside."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from storage.tables.types import Instant, Row


class AppEventRow(Row, table=True):
    """An event that was taken, by a hash of its id or of all of it, so that it is not taken twice."""

    __tablename__ = "app_events"

    project_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    expires_at: datetime = Field(sa_type=Instant, index=True)


class SourceMapRow(Row, table=True):
    """Maps are looked for by what follows the last slash of their names, without a `.map`: `artifact_base` and
    `file_base`. The blob is the map in gzip; `sha256` is of the map itself. `used_at` is when it was uploaded or last
    of use, to the day."""

    __tablename__ = "source_maps"
    __table_args__ = (
        Index("uq_source_maps_names", "project_id", "release", "artifact_name", "file_name", unique=True),
        Index("ix_source_maps_artifact_base", "project_id", "release", "artifact_base"),
        Index("ix_source_maps_file_base", "project_id", "release", "file_base"),
    )

    id: str = Field(primary_key=True)
    project_id: str
    release: str
    artifact_name: str
    file_name: str
    artifact_base: str
    file_base: str
    content_type: str
    original_bytes: int = Field(sa_type=BigInteger)
    compressed_bytes: int = Field(sa_type=BigInteger)
    sha256: str
    blob_key: str
    created_at: datetime = Field(sa_type=Instant)
    used_at: datetime = Field(sa_type=Instant, index=True)
