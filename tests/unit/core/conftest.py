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
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        # those behind an index of words go with it
        if not table.startswith(("sqlite_", "captured_messages_text_")):
            connection.execute(f"DROP TABLE {table}")
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
