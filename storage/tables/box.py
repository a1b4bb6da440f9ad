"""Project Boxes: what was asked of them; and the workers that fill them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlmodel import Field

from storage.tables.types import Instant, Row, Verbatim


class BoxQueryRow(Row, table=True):
    """`retrieved` is a list of `[chunk id, score]`. `number` counts a project's from 1."""

    __tablename__ = "box_queries"

    project_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True, sa_type=BigInteger)
    id: str
    created_at: datetime = Field(sa_type=Instant)
    question: str
    answer: str
    model: str
    tokens: int = Field(sa_type=BigInteger)
    cost_micros: int = Field(sa_type=BigInteger)
    retrieved: list[Any] = Field(sa_type=Verbatim)


class BoxTotalsRow(Row, table=True):
    """Of all that was ever asked."""

    __tablename__ = "box_totals"

    project_id: str = Field(primary_key=True)
    queries: int = Field(sa_type=BigInteger)
    tokens: int = Field(sa_type=BigInteger)
    cost_micros: int = Field(sa_type=BigInteger)


class JobWorkerRow(Row, table=True):
    """A process that does background jobs, whether it has any at the moment or not. `tools` are the programs that it
    found beside it, as they told of themselves. The server's own, of no project."""

    __tablename__ = "job_workers"

    id: str = Field(primary_key=True)
    beat_at: datetime = Field(sa_type=Instant, index=True)
    tools: dict[str, Any] = Field(sa_type=Verbatim)
