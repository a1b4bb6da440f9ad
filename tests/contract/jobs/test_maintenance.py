"""The server's own job forgets what nobody needs any more, and nothing else."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from handlers.core.maintenance import DAY_SECONDS, Maintenance
from storage.blobs.local import INCOMING, LocalBlobs
from storage.captured import CapturedMessage
from storage.repositories.captured import MESSAGES, CapturedMessages
from storage.repositories.idempotency import IdempotencyEntry, IdempotencyKeys
from storage.repositories.limits import Limits, Window
from storage.tables.types import instant
from tests.contract.jobs.conftest import Bench


async def test_what_is_over_is_forgotten(bench: Bench, tmp_path: Path) -> None:
    database, now = bench.jobs.database, bench.jobs.clock()
    keys, limits, project = IdempotencyKeys(database), Limits(database), bench.project_id
    for key, expires_at in (("over", now - 1), ("current", now + DAY_SECONDS)):
        await keys.claim(IdempotencyEntry(project, key, key, "p", "o", "f", instant(expires_at)), instant(now))
    windows = [
        Window(project, project, "tokens_per_day", int(now) - days * DAY_SECONDS, DAY_SECONDS) for days in (0, 3)
    ]
    for window in windows:
        await limits.charge(window, 5)
    incoming = tmp_path / INCOMING
    incoming.mkdir()
    for name, age in (("old", 2 * DAY_SECONDS), ("growing", 5)):
        (incoming / name).touch()
        os.utime(incoming / name, (now - age, now - age))

    for name, age in (("old", 31), ("young", 29)):
        at = instant(now - age * DAY_SECONDS)
        message = CapturedMessage(name, 1, project, at, "request", "user", None, "said", False, None, None)
        async with database.writing() as tx:
            await tx.execute(MESSAGES.insert().values(asdict(message)))
    maintenance = Maintenance(database, LocalBlobs(tmp_path), bench.jobs.clock, 30).definition
    async with bench.worker(maintenance):
        ended = await bench.ended(await bench.enqueue("maintenance"))
    assert ended.result is not None
    assert ended.result.pop("merges_of_words") < 10
    assert ended.result == {
        "idempotency_keys": 1,
        "limit_windows": 1,
        "broken_uploads": 1,
        "jobs": 0,
        "captured_messages": 1,
        "telemetry": 0,
    }
    assert [len(await CapturedMessages(database).of_request(name)) for name in ("old", "young")] == [0, 1]
    assert await keys.get(project, "over") is None
    assert await keys.get(project, "current") is not None
    assert [await limits.taken(window) for window in windows] == [5, 0]
    assert [file.name for file in incoming.iterdir()] == ["growing"]
