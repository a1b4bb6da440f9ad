"""Who may ask: organisations, their projects, keys, admin tokens, and what was done to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from storage.tables.types import Document, Instant, Row, Serial


class OrganisationRow(Row, table=True):
    __tablename__ = "organisations"

    id: str = Field(primary_key=True)
    slug: str = Field(unique=True)
    name: str
    created_at: datetime = Field(sa_type=Instant)


class ProjectRow(Row, table=True):
    """A deleted project stays as a row, for its bills; its slug is free again."""

    __tablename__ = "projects"
    __table_args__ = (
        Index(
            "uq_projects_slug",
            "slug",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    organisation_id: str = Field(foreign_key="organisations.id", index=True)
    slug: str
    name: str
    created_at: datetime = Field(sa_type=Instant)
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)


class KeyRow(Row, table=True):
    """`digest` is the sha256 of the key's text, in hex: the text itself is nowhere. `prefix` and `last4` are shown."""

    __tablename__ = "api_keys"

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="projects.id", index=True)
    name: str
    digest: str = Field(unique=True)
    prefix: str
    last4: str
    models: list[str] | None = Field(default=None, sa_type=Document)
    apis: list[str] | None = Field(default=None, sa_type=Document)
    created_at: datetime = Field(sa_type=Instant)
    expires_at: datetime | None = Field(default=None, sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)
    last_used_at: datetime | None = Field(default=None, sa_type=Instant)
    replaced_by: str | None = None


class AdminTokenRow(Row, table=True):
    __tablename__ = "admin_tokens"

    id: str = Field(primary_key=True)
    name: str
    digest: str = Field(unique=True)
    last4: str
    created_at: datetime = Field(sa_type=Instant)
    revoked_at: datetime | None = Field(default=None, sa_type=Instant)


class AuditRow(Row, table=True):
    __tablename__ = "audit_log"

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    at: datetime = Field(sa_type=Instant)
    actor: str
    act: str
    target: str
    project_id: str | None = Field(default=None, index=True)
    detail: dict[str, Any] | None = Field(default=None, sa_type=Document)


class ChangeRow(Row, table=True):
    """A counter that goes up with every change to what processes remember of the tables above and of limits."""

    __tablename__ = "changes"

    name: str = Field(primary_key=True)
    counter: int = Field(sa_type=BigInteger)
