"""Keys and values of projects, and what their keeping and carrying adds up to.

Times are whole microseconds of the clock, amounts of bytes and byte-seconds whole numbers: they are compared and added
where a stored moment would first have to be understood.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, String, text
from sqlmodel import Field

from storage.tables.types import Row

BY_BYTES = String().with_variant(String(collation="C"), "postgresql")
"""Sorts by code point, as SQLite does."""
EXPIRING = text("expires_us IS NOT NULL")


class KvItemRow(Row, table=True):
    """`mode` is `json` or `bytes`; `value` is JSON text or the bytes themselves."""

    __tablename__ = "kv_items"
    __table_args__ = (
        Index("ix_kv_items_expiring", "project_id", "expires_us", sqlite_where=EXPIRING, postgresql_where=EXPIRING),
    )

    project_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True, sa_type=BY_BYTES)
    mode: str
    content_type: str
    value: bytes
    version: int = Field(sa_type=BigInteger)
    size_bytes: int = Field(sa_type=BigInteger)
    created_us: int = Field(sa_type=BigInteger)
    updated_us: int = Field(sa_type=BigInteger)
    expires_us: int | None = Field(default=None, sa_type=BigInteger)


class KvTableRow(Row, table=True):
    """What a project's items add up to. Storage is metered up to the second `metered_at`."""

    __tablename__ = "kv_tables"

    project_id: str = Field(primary_key=True)
    item_count: int = Field(sa_type=BigInteger)
    storage_bytes: int = Field(sa_type=BigInteger)
    created_us: int = Field(sa_type=BigInteger)
    updated_us: int = Field(sa_type=BigInteger)
    metered_at: int = Field(sa_type=BigInteger)


class MeterRow(Row, table=True):
    """How much of a kind a project used on a day in UTC, `2026-03-18`."""

    __tablename__ = "meters"

    project_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    day: str = Field(primary_key=True)
    amount: int = Field(sa_type=BigInteger)
