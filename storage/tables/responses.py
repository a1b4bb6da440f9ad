"""Responses that models gave, for their reading and continuation."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field

from storage.tables.types import Instant, Row


class ResponseRow(Row, table=True):
    """`content` is JSON text: unlike a JSON column, it keeps every text that a model or a client can write, NUL
    included. `request_id` names the ledger's row of the request that made the response."""

    __tablename__ = "responses"
    __table_args__ = (
        Index("ix_responses_project_id_created_at", "project_id", "created_at", "id"),
        Index("ix_responses_request_id", "request_id"),
    )

    id: str = Field(primary_key=True)
    project_id: str
    created_at: datetime = Field(sa_type=Instant)
    status: str
    model: str
    previous_response_id: str | None = None
    request_id: str
    content: bytes
