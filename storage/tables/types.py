"""Column types that mean the same on SQLite and on Postgres, and the base of every table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

Document = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON value; Python's None is SQL's NULL."""

Serial = BigInteger().with_variant(Integer, "sqlite")
"""A 64-bit number that the database counts up; SQLite does that for `INTEGER` alone."""


class Instant(TypeDecorator[datetime]):
    """A moment in time, always with its zone. SQLite keeps it as UTC text that sorts in time's order."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Raises `ValueError` for a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a zone")
        return value if dialect.name == "postgresql" else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


class Verbatim(TypeDecorator[Any]):
    """A JSON value as text, which keeps what jsonb refuses or changes (a NUL, a large number); None is NULL."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Raises `TypeError` for what is no JSON."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


class Row(SQLModel):
    """The base of our tables, with metadata of its own: other SQLModel users in the process stay out of our schema."""

    metadata = MetaData(naming_convention=NAMES)


def load_json(text: str) -> Any:
    """jsonb writes the float 1e30 with all its digits; what is beyond 64 bits was no integer when it was kept."""

    def number(digits: str) -> int | float:
        whole = int(digits)
        return whole if -(2**63) <= whole < 2**64 else float(whole)

    return json.loads(text, parse_int=number)


def core(table: type[Row]) -> Table:
    """The SQLAlchemy Core table behind a SQLModel class."""
    found: Table = vars(table)["__table__"]
    return found


def instant(seconds: float) -> datetime:
    """Unix seconds as a moment in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def plain(row: Any) -> dict[str, Any]:
    """A result row as keyword arguments."""
    fields: dict[str, Any] = row._asdict()
    return fields
