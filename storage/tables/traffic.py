"""What was asked: the ledger, the processes that write it, idempotency keys and models that projects register."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, false, text
from sqlmodel import Field

from storage.tables.types import Document, Instant, Row

ASKED, OTHERS = "kind IS NOT NULL", "kind IS NULL"
"""Requests that asked a model, and the others, which are in no history, and cost one index."""
NOT_COMPLETED = f"{ASKED} AND state <> 'completed'"
IN_VAIN = f"{ASKED} AND state IN ('failed', 'interrupted')"
"""Rare as a rule: an index of these costs the others nothing."""


def _history(name: str, *columns: str, where: str = ASKED) -> Index:
    return Index(name, *columns, "started_at", "request_id", sqlite_where=text(where), postgresql_where=text(where))


def _count() -> Any:
    return Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")})


class RequestRow(Row, table=True):
    """`storage.ledger_record.Record`, and the process that answers the request."""

    __tablename__ = "requests"
    __table_args__ = (
        _history("ix_requests_history", "project_id"),
        _history("ix_requests_history_api", "project_id", "api"),
        _history("ix_requests_history_key", "key_id"),
        _history("ix_requests_history_model", "project_id", "model"),
        _history("ix_requests_history_unfinished", "project_id", "state", where=NOT_COMPLETED),
        _history("ix_requests_in_vain", "state", where=IN_VAIN),
        _history("ix_requests_in_vain_model", "model", "state", where=IN_VAIN),
        _history("ix_requests_in_vain_project_id_model", "project_id", "model", "state", where=IN_VAIN),
        _history("ix_requests_others", "project_id", where=OTHERS),
        _history("ix_requests_everyones"),
        _history("ix_requests_everyones_model", "model"),
        Index(
            "ix_requests_open",
            "process_id",
            sqlite_where=text("state = 'started'"),
            postgresql_where=text("state = 'started'"),
        ),
    )

    request_id: str = Field(primary_key=True)
    api: str
    operation_id: str
    started_at: datetime = Field(sa_type=Instant)
    project_id: str | None = None
    key_id: str | None = None
    state: str
    http_status: int | None = None
    error_code: str | None = None
    streamed: bool
    model: str | None = None
    provider: str | None = None
    upstream_model: str | None = None
    prompt_tokens: int = Field(sa_type=BigInteger)
    completion_tokens: int = Field(sa_type=BigInteger)
    cached_tokens: int = Field(sa_type=BigInteger)
    cache_write_tokens: int = Field(sa_type=BigInteger)
    reasoning_tokens: int = Field(sa_type=BigInteger)
    cost_micros: int = Field(sa_type=BigInteger)
    duration_us: int | None = Field(default=None, sa_type=BigInteger)
    first_byte_us: int | None = Field(default=None, sa_type=BigInteger)
    finish_reason: str | None = None
    # SQLModel keeps the attribute `metadata` for itself
    request_metadata: dict[str, Any] | None = Field(
        default=None, sa_type=Document, sa_column_kwargs={"name": "metadata", "key": "metadata"}
    )
    process_id: str
    kind: str | None = None
    requested_model: str | None = None
    region: str | None = None
    fallbacks: int = _count()
    cache_hit: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    prompt_cost_micros: int = _count()
    cached_cost_micros: int = _count()
    try_count: int = _count()
    requeues: int = _count()
    tries: list[dict[str, Any]] | None = Field(default=None, sa_type=Document)
    replay_of: str | None = None


class ProcessRow(Row, table=True):
    """A process that is alive until `lease_until`, which it moves on every few seconds."""

    __tablename__ = "processes"

    id: str = Field(primary_key=True)
    host: str
    pid: int
    lease_until: datetime = Field(sa_type=Instant)


class IdempotencyRow(Row, table=True):
    """`status` is empty while the first request is answered; `body` stays empty when it was too large to keep."""

    __tablename__ = "idempotency_keys"

    project_id: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    claim_id: str
    process_id: str
    operation_id: str
    fingerprint: str
    status: int | None = None
    headers: dict[str, str] | None = Field(default=None, sa_type=Document)
    body: bytes | None = None
    expires_at: datetime = Field(sa_type=Instant, index=True)


class RegisteredModelRow(Row, table=True):
    __tablename__ = "registered_models"

    project_id: str = Field(primary_key=True, foreign_key="projects.id")
    identifier: str = Field(primary_key=True)
    provider_resource_id: str
    provider_id: str
    model_type: str
    model_metadata: dict[str, Any] = Field(sa_type=Document, sa_column_kwargs={"name": "metadata", "key": "metadata"})
    created_at: datetime = Field(sa_type=Instant)
