"""Vector stores: which files of a project can be searched together."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from storage.tables.types import Document, Instant, Row, Serial

EXPIRING = text("deleted_at IS NULL AND expires_at IS NOT NULL")
ENDING = text("expires_at IS NOT NULL")
BOX = "project-box"
"""The id of the store that is a project's Box."""
BOXED = text(f"store_id = '{BOX}'")
UNFINISHED = text("status = 'in_progress'")


class VectorStoreRow(Row, table=True):
    """`id` is the project's own name for it, or one of ours. A deleted one's row stays, and marks its place for who
    pages through a list."""

    __tablename__ = "vector_stores"
    __table_args__ = (
        Index("ix_vector_stores_project_id_created_at", "project_id", "created_at", "id"),
        Index("ix_vector_stores_expires_at", "expires_at", sqlite_where=EXPIRING, postgresql_where=EXPIRING),
    )

    project_id: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    collection_no: int = Field(sa_type=BigInteger)
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
    active_at: datetime = Field(sa_type=Instant)
    name: str
    embedding_model: str
    dimensions: int
    details: dict[str, Any] = Field(sa_type=Document)
    usage_bytes: int = Field(sa_type=BigInteger)
    lasting_seconds: int | None = Field(default=None, sa_type=BigInteger)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)


class VectorStoreFileRow(Row, table=True):
    """`document_no` is what is searched; `next_document_no` is what the job `job_id` makes to take its place."""

    __tablename__ = "vector_store_files"
    __table_args__ = (
        Index("uq_vector_store_files_file_id", "project_id", "store_id", "file_id", unique=True),
        Index("ix_vector_store_files_created_at", "project_id", "store_id", "created_at", "id"),
        Index("ix_vector_store_files_status", "project_id", "store_id", "status"),
        Index("ix_vector_store_files_batch_id", "project_id", "batch_id", "status"),
        Index("ix_vector_store_files_document_no", "document_no"),
        Index("ix_vector_store_files_unfinished", "job_id", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
        Index("ix_vector_store_files_box", "status", "error_code", sqlite_where=BOXED, postgresql_where=BOXED),
    )

    id: str = Field(primary_key=True)
    project_id: str
    store_id: str
    file_id: str
    batch_id: str | None = None
    created_at: datetime = Field(sa_type=Instant)
    filename: str
    size_bytes: int = Field(sa_type=BigInteger)
    attributes: dict[str, Any] = Field(sa_type=Document)
    strategy: dict[str, Any] = Field(sa_type=Document)
    status: str
    error_code: str | None = None
    error_message: str | None = None
    chunks: int = Field(sa_type=BigInteger)
    usage_bytes: int = Field(sa_type=BigInteger)
    indexed_at: datetime | None = Field(default=None, sa_type=Instant)
    document_no: int | None = Field(default=None, sa_type=BigInteger)
    next_document_no: int | None = Field(default=None, sa_type=BigInteger)
    job_id: str | None = None
    tokens: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})


class VectorStoreBatchRow(Row, table=True):
    """Files that were put into a store together."""

    __tablename__ = "vector_store_batches"
    __table_args__ = (Index("ix_vector_store_batches_store_id", "project_id", "store_id"),)

    id: str = Field(primary_key=True)
    project_id: str
    store_id: str
    created_at: datetime = Field(sa_type=Instant)
    is_cancelled: bool


class VectorStoreDocumentRow(Row, table=True):
    """What was put into a store as it is, without a file; `name` is the caller's for it. One that is not live is being
    written. At `expires_at` its time is over, and whoever was writing it has died."""

    __tablename__ = "vector_store_documents"
    __table_args__ = (
        Index("ix_vector_store_documents_name", "project_id", "store_id", "name"),
        Index("ix_vector_store_documents_expires_at", "expires_at", sqlite_where=ENDING, postgresql_where=ENDING),
    )

    document_no: int = Field(primary_key=True, sa_type=Serial, sa_column_kwargs={"autoincrement": False})
    project_id: str
    store_id: str
    created_at: datetime = Field(sa_type=Instant)
    is_live: bool
    usage_bytes: int = Field(sa_type=BigInteger)
    name: str | None = None
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
