"""Files that projects keep, and the blobs that hold their bytes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from storage.tables.types import Instant, Row

UNHELD = text("removable_at IS NOT NULL")
LASTING = text("deleted_at IS NULL AND expires_at IS NOT NULL")
DELETED = text("deleted_at IS NOT NULL")


class BlobRow(Row, table=True):
    """Bytes in the blob store, which are there before any row refers to them and after the last has gone: `holders`
    counts those rows; while there are none `removable_at` says when it may go. A doomed one is going."""

    __tablename__ = "blobs"
    __table_args__ = (Index("ix_blobs_unheld", "removable_at", sqlite_where=UNHELD, postgresql_where=UNHELD),)

    key: str = Field(primary_key=True)
    project_id: str
    holders: int = Field(sa_type=BigInteger)
    removable_at: datetime | None = Field(default=None, sa_type=Instant)
    is_doomed: bool


class FileRow(Row, table=True):
    """A deleted file's row stays for a while, and holds no blob."""

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_project_id_created_at", "project_id", "created_at", "id"),
        Index("ix_files_project_id_purpose", "project_id", "purpose", "created_at", "id"),
        Index("ix_files_expires_at", "expires_at", sqlite_where=LASTING, postgresql_where=LASTING),
        Index("ix_files_deleted_at", "deleted_at", sqlite_where=DELETED, postgresql_where=DELETED),
    )

    id: str = Field(primary_key=True)
    project_id: str
    created_at: datetime = Field(sa_type=Instant)
    filename: str
    purpose: str
    media_type: str
    size_bytes: int = Field(sa_type=BigInteger)
    sha256: str
    blob_key: str
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)
