"""A schema made without its history."""

from __future__ import annotations

from sqlalchemy import Connection, text

from storage.migrations import HEAD
from storage.tables import METADATA

VERSION_TABLE = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""
"""As alembic makes it."""


def create(connection: Connection) -> None:
    """Every table, at revision `HEAD`, in the caller's transaction."""
    METADATA.create_all(connection, checkfirst=False)
    connection.execute(text(VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})
