"""What is told of requests: sums by the hour, and what their callers thought of the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlmodel import Field

from storage.tables.types import Instant, Row, Serial


def _sum() -> Any:
    return Field(sa_type=BigInteger)


class RequestHourRow(Row, table=True):
    """Sums over the final requests of one kind that began within an hour, kept by the ledger in the commit that writes
    them: once by how they ended, where `api` and `model` are `*`, once by what was asked, where `state` and
    `error_code` are, once by API, where all three others are, and once those of all projects and kinds by how they
    ended, where `project_id` and `kind` are, too. `hour` is its first unix second; `model` and `error_code` are empty
    where there is none.

    `free_...` are tokens that cost nothing, `..._meters` the requests that used such tokens at all.
    """

    __tablename__ = "request_hours"
    __table_args__ = (Index("ix_request_hours_project_id_model_api_hour", "project_id", "model", "api", "hour"),)

    hour: int = Field(primary_key=True, sa_type=BigInteger)
    project_id: str = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    api: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    state: str = Field(primary_key=True)
    error_code: str = Field(primary_key=True)
    requests: int = _sum()
    prompt_tokens: int = _sum()
    completion_tokens: int = _sum()
    cached_tokens: int = _sum()
    cost_micros: int = _sum()
    prompt_cost_micros: int = _sum()
    cached_cost_micros: int = _sum()
    free_prompt_tokens: int = _sum()
    free_cached_tokens: int = _sum()
    free_completion_tokens: int = _sum()
    prompt_meters: int = _sum()
    cached_meters: int = _sum()
    completion_meters: int = _sum()
    tries: int = _sum()
    requeues: int = _sum()
    first_bytes: int = _sum()
    cache_hits: int = _sum()


class RequestTokensRow(Row, table=True):
    """Sums as those of `request_hours`, over the requests that a model answered; `provider` is empty where there is
    none. Narrow, for metrics read them over long windows."""

    __tablename__ = "request_tokens"
    __table_args__ = ({"sqlite_with_rowid": False},)

    project_id: str = Field(primary_key=True)
    hour: int = Field(primary_key=True, sa_type=BigInteger)
    model: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    prompt_tokens: int = _sum()
    completion_tokens: int = _sum()


class RequestFeedbackRow(Row, table=True):
    """What a caller thought of an answer, as often as they say so. `rating` is -1, 0 or 1."""

    __tablename__ = "request_feedback"

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    request_id: str = Field(index=True)
    project_id: str = Field(index=True)
    key_id: str | None = None
    model: str
    created_at: datetime = Field(sa_type=Instant, index=True)
    rating: int | None = None
    outcome: str | None = None
    task_type: str | None = None
    notes: str | None = None
