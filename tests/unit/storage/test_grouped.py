"""The writer's thread of Postgres' ledger, with a sink of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from storage.errors import StorageUnavailable
from storage.ledger.grouped import Grouped
from storage.ledger.sink import Line
from storage.ledger_record import Record

PATIENCE_SECONDS = 60


@dataclass
class Sink:
    """Fails in a way that nobody has foreseen as often as `failures` says."""

    failures: int = 0
    written: list[str] = field(default_factory=list)
    closed: int = 0

    def write(self, lines: Sequence[Line], now: datetime) -> None:
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError
        self.written += [line.request_id for line in lines]

    def close(self) -> None:
        self.closed += 1


def record(request_id: str) -> Record:
    return Record(request_id, "ipop", "chat", 1_790_000_000.0, "proj_1", state="completed")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_failure_that_nobody_has_foreseen_is_told_at_once_and_ends_nothing() -> None:
    sink = Sink(failures=1)
    ledger = Grouped(lambda: sink, 512, 100, time.time)
    await ledger.open()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(StorageUnavailable, match="failed"):
            await ledger.write(record("req_1"), "proc_1")
        await ledger.write(record("req_2"), "proc_1")
        while len([one for one in threading.enumerate() if one.name == "ledger"]) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    await ledger.close(PATIENCE_SECONDS)
    assert sink.written == ["req_2"]
    assert sink.closed == 2
