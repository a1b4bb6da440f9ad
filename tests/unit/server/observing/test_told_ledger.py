"""Who completes records on behalf of a request tells observers of them."""

from __future__ import annotations

import pytest

from providers.trace_context import TraceContext
from server.wiring import watching
from server.wiring.watching import ToldLedger
from storage.errors import StorageUnavailable
from storage.ledger_record import Record
from tests.unit.server.observing.records import record


class Kept:
    """A ledger in memory, which is away when told so."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.is_away = False

    async def start(self, row: Record) -> None:
        self.post(row)

    async def finish(self, row: Record) -> None:
        self.post(row)

    def post(self, row: Record) -> None:
        if self.is_away:
            raise StorageUnavailable("away")
        self.rows.append(row)


class Seeing:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def ended(self, row: Record, trace: TraceContext | None) -> None:
        self.seen.append(row.request_id)

    def refused(self, api: str, status: int) -> None:
        raise AssertionError


async def test_final_rows_are_told_and_others_are_not() -> None:
    kept, seeing = Kept(), Seeing()
    ledger = ToldLedger(kept, (seeing,))
    await ledger.start(record(request_id="a", state="started"))
    ledger.post(record(request_id="a", state="started"))
    assert seeing.seen == []
    await ledger.finish(record(request_id="a", state="completed"))
    ledger.post(record(request_id="b", state="failed"))
    ledger.post(record(request_id="c", state="interrupted"))
    assert seeing.seen == ["a", "b", "c"]
    assert len(kept.rows) == 5


async def test_a_step_that_is_done_again_tells_nothing_new() -> None:
    kept, seeing = Kept(), Seeing()
    ledger = ToldLedger(kept, (seeing,))
    for _ in range(2):
        ledger.post(record(request_id="a", state="completed"))
        await ledger.finish(record(request_id="b", state="completed"))
    assert seeing.seen == ["a", "b"]
    assert len(kept.rows) == 4


async def test_what_could_not_be_written_is_told_when_it_is() -> None:
    kept, seeing = Kept(), Seeing()
    ledger = ToldLedger(kept, (seeing,))
    kept.is_away = True
    with pytest.raises(StorageUnavailable):
        ledger.post(record(request_id="a", state="completed"))
    assert seeing.seen == []
    kept.is_away = False
    ledger.post(record(request_id="a", state="completed"))
    assert seeing.seen == ["a"]


def test_only_the_latest_are_remembered() -> None:
    seeing = Seeing()
    ledger = ToldLedger(Kept(), (seeing,))
    for number in range(watching.REMEMBERED + 1):
        ledger.post(record(request_id=str(number), state="completed"))
    ledger.post(record(request_id="1", state="completed"))
    assert seeing.seen[-1] == str(watching.REMEMBERED)
    ledger.post(record(request_id="0", state="completed"))
    assert seeing.seen[-1] == "0"
