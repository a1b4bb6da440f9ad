"""The tables that rows are copied into."""

from __future__ import annotations

from sqlalchemy import Connection

from storage.errors import SchemaMismatch
from storage.migrations import HEAD, REVISIONS


def check_known(revision: str) -> None:
    """Raises `SchemaMismatch` for one of a newer version."""
    if revision not in REVISIONS:
        raise SchemaMismatch(f"the schema is at revision {revision}, which this version does not know")


def make(connection: Connection, revision: str) -> None:
    """All tables as they were at that revision, in the caller's transaction."""
    if revision == HEAD:
        from storage.migrations.fresh import create

        create(connection)
    else:
        from storage.migrations.run import upgrade

        upgrade(connection, revision)


def migrate(connection: Connection) -> None:
    """From where they are to this version's."""
    from sqlalchemy import text

    if connection.scalar(text("SELECT version_num FROM alembic_version")) != HEAD:
        from storage.migrations.run import upgrade

        upgrade(connection)
