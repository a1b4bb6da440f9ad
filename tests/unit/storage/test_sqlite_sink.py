from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.database import Database
from storage.ledger.checkpoints import Checkpoints
from storage.ledger.sink import Line, Sync, line
from storage.ledger.sqlite import SqliteSink, moment
from storage.ledger_record import Record

NORMAL, FULL = 1, 2


def line_of(request_id: str, cost_micros: int = 0) -> Line:
    record = Record(request_id, "ipop", "chat", 1_790_000_000.0, "proj_1", state="completed", cost_micros=cost_micros)
    return line(record, "proc_1", moment)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    database = Database.open(f"sqlite:///{tmp_path}/a.db")
    await database.ensure_current()
    await database.close()
    return database.path


@pytest.mark.parametrize(
    ("sync", "expected"), [("always", [FULL, FULL, FULL]), ("billed", [NORMAL, FULL, NORMAL]), ("never", [NORMAL] * 3)]
)
def test_only_what_the_setting_says_waits_for_the_disk(path: Path, sync: Sync, expected: list[int]) -> None:
    sink = SqliteSink(path, sync)
    found = []
    for lines in ([line_of("free")], [line_of("free, too"), line_of("billed", 3)], [line_of("free again")]):
        sink.write(lines, datetime.now(UTC))
        assert sink.connection is not None
        found.append(sink.connection.execute("PRAGMA synchronous").fetchone()[0])
    sink.close()
    assert found == expected


def test_a_checkpoint_moves_what_was_committed_into_the_database(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE filler (text)")
        writer.execute("INSERT INTO filler VALUES (zeroblob(100000))")
        before = path.stat().st_size
        checkpoints = Checkpoints(path, every_seconds=0)
        checkpoints.note_commit()
        checkpoints.close()
        assert path.stat().st_size >= before + 100_000


def test_no_checkpoint_is_made_before_it_is_time(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE filler (text)")
        writer.execute("INSERT INTO filler VALUES (zeroblob(100000))")
        before = path.stat().st_size
        checkpoints = Checkpoints(path, every_seconds=3600)
        checkpoints.note_commit()
        checkpoints.close()
        assert path.stat().st_size == before
