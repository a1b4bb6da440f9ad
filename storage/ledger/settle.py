"""Waits until what was acknowledged before is in SQLite, whichever process on this host acknowledged it."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

from storage.errors import StorageUnavailable
from storage.ledger import journal

PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.002


async def settle(database: Path) -> None:
    """Raises `StorageUnavailable` when the database takes nothing for `PATIENCE_SECONDS`."""
    for folder in journal.folders(database):
        end, deadline = journal.end_of(folder), time.monotonic() + PATIENCE_SECONDS
        while journal.applied(folder) < end and folder.exists():
            if time.monotonic() > deadline:
                raise StorageUnavailable("the ledger has not brought its journal into the database")
            if not await _replay_dead(database, folder):
                await asyncio.sleep(LOOK_SECONDS)


async def replay_dead(database: Path) -> None:
    """Brings in what dead processes left. Raises `StorageUnavailable`."""
    for folder in journal.folders(database):
        await _replay_dead(database, folder)


async def _replay_dead(database: Path, folder: Path) -> bool:
    """False while its process lives."""
    held = journal.lock(folder)
    if held is None:
        return False
    try:
        await asyncio.to_thread(_replay, database, folder)
    finally:
        os.close(held)
    return True


def _replay(database: Path, folder: Path) -> None:
    from storage.ledger.drain import Drain, finish

    with suppress(FileNotFoundError):  # the process that drains it may remove it at any moment
        drain = Drain(database, folder)
        try:
            finish(drain)
        finally:
            drain.close()
