"""Containers, the chats that are stored, and the traces that requests belong to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field

from storage.tables.types import Document, Instant, Row


class ContainerRow(Row, table=True):
    """`default_parameters` are shown, `options` are what they mean to a vendor. A deleted container stays, since chats
    name it; its label is free again."""

    __tablename__ = "containers"
    __table_args__ = (
        Index("ix_containers_project_id_created_at", "project_id", "created_at", "id"),
        Index(
            "uq_containers_label",
            "project_id",
            "label",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )

    id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="projects.id")
    label: str
    api: str
    initial_model: str
    default_model: str | None = None
    default_system_prompt: str | None = None
    default_parameters: dict[str, Any] | None = Field(default=None, sa_type=Document)
    options: dict[str, Any] = Field(sa_type=Document)
    default_few_shot_messages: list[dict[str, Any]] | None = Field(default=None, sa_type=Document)
    created_at: datetime = Field(sa_type=Instant)
    deleted_at: datetime | None = Field(default=None, sa_type=Instant)


class SubmodelRow(Row, table=True):
    """A model attached to a container."""

    __tablename__ = "submodels"

    container_id: str = Field(primary_key=True, foreign_key="containers.id")
    slug: str = Field(primary_key=True)
    project_id: str = Field(index=True)
    id: str
    model: str
    default_system_prompt: str | None = None
    default_parameters: dict[str, Any] | None = Field(default=None, sa_type=Document)
    options: dict[str, Any] = Field(sa_type=Document)
    created_at: datetime = Field(sa_type=Instant)


class ChatCompletionRow(Row, table=True):
    """`storage.chat_record.StoredChat`."""

    __tablename__ = "chat_completions"
    __table_args__ = (
        Index("ix_chat_completions_project_id_created_at", "project_id", "created_at", "key"),
        Index("ix_chat_completions_project_id_model", "project_id", "model", "created_at", "key"),
        Index("ix_chat_completions_container_id", "container_id", "created_at", "key"),
        Index("ix_chat_completions_project_id_id", "project_id", "id"),
    )

    key: str = Field(primary_key=True)
    project_id: str
    id: str
    created_at: datetime = Field(sa_type=Instant)
    model: str | None = None
    provider: str | None = None
    container_id: str | None = None
    container: str | None = None
    cost_micros: int = Field(sa_type=BigInteger)
    # SQLModel keeps the attribute `metadata` for itself
    chat_metadata: dict[str, Any] | None = Field(
        default=None, sa_type=Document, sa_column_kwargs={"name": "metadata", "key": "metadata"}
    )
    tags: list[str] | None = Field(default=None, sa_type=Document)
    trace: dict[str, Any] | None = Field(default=None, sa_type=Document)
    request: bytes
    answer: bytes


class TraceEntryRow(Row, table=True):
    """`storage.chat_record.TraceEntry`."""

    __tablename__ = "trace_entries"
    __table_args__ = (Index("ix_trace_entries_project_id_trace_id", "project_id", "trace_id", "at", "request_id"),)

    request_id: str = Field(primary_key=True)
    project_id: str
    trace_id: str
    at: datetime = Field(sa_type=Instant)
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    source: str | None = None
    container_id: str | None = None
    context: dict[str, Any] = Field(sa_type=Document)
