"""What is kept sealed: keys of vendors that projects bring, and the keys that sign for regions."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field

from storage.tables.types import Instant, Row


class ProviderCredentialRow(Row, table=True):
    """`sealed_key` cannot be read without the server's secret; `last4` is what is shown."""

    __tablename__ = "provider_credentials"

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="projects.id", index=True)
    provider: str
    label: str
    sealed_key: bytes
    last4: str
    base_url: str | None = None
    enabled: bool
    created_at: datetime = Field(sa_type=Instant)
    last_tested_at: datetime | None = Field(default=None, sa_type=Instant)
    last_error: str | None = None
    last_used_at: datetime | None = Field(default=None, sa_type=Instant)


class RegionKeyRow(Row, table=True):
    """One Ed25519 key of a region; of no project, since everybody may verify with it. The row with an empty
    `rotated_at` signs, the others stay for what they signed."""

    __tablename__ = "region_keys"

    kid: str = Field(primary_key=True)
    region: str = Field(index=True)
    node_id: str
    public_key: bytes
    sealed_key: bytes
    created_at: datetime = Field(sa_type=Instant)
    rotated_at: datetime | None = Field(default=None, sa_type=Instant)
