from __future__ import annotations

from pathlib import Path

from server.readiness import REMEMBERED_SECONDS, Readiness
from storage.database import Database


async def test_storage_is_asked_once_a_second_and_tells_when_it_is_away(tmp_path: Path) -> None:
    now = 0.0
    database = Database.open(f"sqlite:///{tmp_path}/data/concordat.db")
    readiness = Readiness(database, lambda: now)
    assert await readiness.look()
    await database.close()
    (tmp_path / "data").rename(tmp_path / "gone")
    assert await readiness.look()
    now += REMEMBERED_SECONDS
    assert not await readiness.look()
    (tmp_path / "gone").rename(tmp_path / "data")
    now += REMEMBERED_SECONDS
    assert await readiness.look()
    await database.close()
