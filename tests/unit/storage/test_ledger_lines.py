from __future__ import annotations

from datetime import UTC, datetime

from storage.ledger.sink import latest, line, totals
from storage.ledger.sqlite import moment
from storage.ledger_record import Record, State


def states(*steps: tuple[str, State]) -> list[tuple[str, bool]]:
    lines = [line(Record(request_id, "ipop", "op", 0.0, state=state), "proc", moment) for request_id, state in steps]
    return [(entry.request_id, entry.final) for entry in latest(lines)]


def test_a_batch_has_one_line_a_request_and_the_first_final_one_stands() -> None:
    assert states(("a", "started"), ("b", "started"), ("a", "completed")) == [("a", True), ("b", False)]
    assert states(("a", "completed"), ("a", "started")) == [("a", True)]
    lines = [line(Record("a", "ipop", "op", 0.0, state=state), "proc", moment) for state in ("failed", "completed")]
    assert latest(lines) == lines[:1]


def test_times_are_written_as_the_tables_read_them() -> None:
    assert moment(datetime(2026, 1, 2, 3, 4, 5, 6, UTC)) == "2026-01-02 03:04:05.000006"


def test_debits_are_summed_by_project_in_one_order() -> None:
    assert totals([("b", -1), ("a", -2), ("b", -3)]) == [(-2, "a"), (-4, "b")]
