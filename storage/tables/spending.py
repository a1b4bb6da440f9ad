"""What a project may spend and has spent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger
from sqlmodel import Field

from storage.tables.types import Instant, Row, Serial


class LimitRow(Row, table=True):
    """`subject_id` is a project's or a key's id; a column without a number limits nothing."""

    __tablename__ = "limits"

    subject_id: str = Field(primary_key=True)
    project_id: str = Field(foreign_key="projects.id", index=True)
    requests_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_minute: int | None = Field(default=None, sa_type=BigInteger)
    tokens_per_day: int | None = Field(default=None, sa_type=BigInteger)
    requests_per_day: int | None = Field(default=None, sa_type=BigInteger)
    micro_usd_per_day: int | None = Field(default=None, sa_type=BigInteger)


class LimitWindowRow(Row, table=True):
    """How much of a limit is handed out to processes in the window that starts at `window_start` (unix seconds)."""

    __tablename__ = "limit_windows"

    subject_id: str = Field(primary_key=True)
    metric: str = Field(primary_key=True)
    window_start: int = Field(primary_key=True, sa_type=BigInteger)
    project_id: str
    taken: int = Field(sa_type=BigInteger)


class CreditAccountRow(Row, table=True):
    """A project that pays in advance; one without an account is unlimited. The balance is the sum of its entries."""

    __tablename__ = "credit_accounts"

    project_id: str = Field(primary_key=True, foreign_key="projects.id")
    balance_micros: int = Field(sa_type=BigInteger)


class CreditEntryRow(Row, table=True):
    """Append-only. Money is in micro-dollars; what a request cost is negative."""

    __tablename__ = "credit_entries"

    id: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    project_id: str = Field(foreign_key="projects.id", index=True)
    at: datetime = Field(sa_type=Instant)
    kind: str
    amount_micros: int = Field(sa_type=BigInteger)
    request_id: str | None = Field(default=None, index=True)
    note: str | None = None
