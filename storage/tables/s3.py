"""Object storage: buckets, their objects and the parts these are made of, access keys, and bought allocations.

Times are whole microseconds of the clock where they are compared or added, as with keys and values.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from storage.tables.kv import BY_BYTES
from storage.tables.types import Document, Instant, Row


class S3AccountRow(Row, table=True):
    """What a project stores, parts of unfinished uploads too. Storage is metered up to the second `metered_at`."""

    __tablename__ = "s3_accounts"

    project_id: str = Field(primary_key=True)
    stored_bytes: int = Field(sa_type=BigInteger)
    metered_at: int = Field(sa_type=BigInteger)


class S3BucketRow(Row, table=True):
    """Names are each project's own."""

    __tablename__ = "s3_buckets"

    project_id: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    created_us: int = Field(sa_type=BigInteger)
    object_count: int = Field(sa_type=BigInteger)
    size_bytes: int = Field(sa_type=BigInteger)


class S3ObjectRow(Row, table=True):
    """`content_id` names its parts. `headers` are those that are given back as they came, `user_metadata` what
    follows `x-amz-meta-`; checksums are base64 by algorithm."""

    __tablename__ = "s3_objects"

    project_id: str = Field(primary_key=True)
    bucket: str = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=BY_BYTES)
    content_id: str
    size_bytes: int = Field(sa_type=BigInteger)
    etag: str
    modified_us: int = Field(sa_type=BigInteger)
    headers: dict[str, Any] = Field(sa_type=Document)
    user_metadata: dict[str, Any] = Field(sa_type=Document)
    checksums: dict[str, Any] = Field(sa_type=Document)
    checksum_type: str
    part_count: int = Field(sa_type=BigInteger)


class S3PartRow(Row, table=True):
    """A piece of an object or of an unfinished upload, and the blob that holds its bytes."""

    __tablename__ = "s3_parts"

    project_id: str = Field(primary_key=True)
    content_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    blob_key: str
    size_bytes: int = Field(sa_type=BigInteger)
    etag: str
    checksums: dict[str, Any] = Field(sa_type=Document)
    modified_us: int = Field(sa_type=BigInteger)


class S3UploadRow(Row, table=True):
    """A multipart upload that was neither completed nor aborted; its id is the `content_id` of its parts."""

    __tablename__ = "s3_uploads"
    __table_args__ = (Index("ix_s3_uploads_bucket", "project_id", "bucket", "key", "id"),)

    id: str = Field(primary_key=True)
    project_id: str
    bucket: str
    key: str = Field(sa_type=BY_BYTES)
    initiated_us: int = Field(sa_type=BigInteger)
    headers: dict[str, Any] = Field(sa_type=Document)
    user_metadata: dict[str, Any] = Field(sa_type=Document)
    checksum_algorithm: str | None = None
    checksum_type: str


class S3KeyRow(Row, table=True):
    """An access key; its secret is needed in the clear to check signatures, and sealed at rest."""

    __tablename__ = "s3_access_keys"

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="projects.id", index=True)
    name: str
    sealed_secret: bytes
    last4: str
    created_at: datetime = Field(sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
    last_used_at: datetime | None = Field(default=None, sa_type=Instant)


class StorageAllocationRow(Row, table=True):
    """How many blocks a project bought for a month in UTC, `2026-03`."""

    __tablename__ = "storage_allocations"

    project_id: str = Field(primary_key=True)
    month: str = Field(primary_key=True)
    blocks: int = Field(sa_type=BigInteger)


class StoragePurchaseRow(Row, table=True):
    """One purchase of blocks; its key is the buyer's, or one of ours."""

    __tablename__ = "storage_purchases"

    project_id: str = Field(primary_key=True)
    idempotency_key: str = Field(primary_key=True)
    month: str
    blocks: int = Field(sa_type=BigInteger)
    cost_micros: int = Field(sa_type=BigInteger)
    bought_at: datetime = Field(sa_type=Instant)
