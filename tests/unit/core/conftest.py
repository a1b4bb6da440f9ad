from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/concordat.db")
    await opened.ensure_current()
    yield opened
    await opened.close()


def lose(database: Database) -> None:
    """From now on whoever asks this database anything gets an error."""
    connection = sqlite3.connect(database.path)
    # an index of words first, for the tables behind it go with it
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY sql NOT LIKE 'CREATE VIRTUAL%'"
    for (table,) in connection.execute(tables).fetchall():
        if not table.startswith("sqlite_"):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.close()


class Clock:
    """Unix seconds that a test moves on."""

    def __init__(self, now: float = 1_790_000_040.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
