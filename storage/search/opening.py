"""The engine of a database."""

from __future__ import annotations

from storage.database import Database
from storage.search.engine import Engine
from storage.search.image import Images
from storage.search.in_numpy import NumpyVectors
from storage.search.in_postgres import PgVectors, PostgresEngine, has_pgvectors
from storage.search.in_sqlite import SqliteEngine


async def open_engine(database: Database, most_bytes: int) -> Engine:
    """`most_bytes` are for vectors in memory, which Postgres with pgvector does not need."""
    images = Images(database, most_bytes)
    if database.dialect == "sqlite":
        return SqliteEngine(database, images)
    vectors = PgVectors(database) if await has_pgvectors(database) else NumpyVectors(images)
    return PostgresEngine(database, vectors)
