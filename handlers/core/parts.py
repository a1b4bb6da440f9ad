"""Requests that are answered by asking models several times: each time has a record, and the request's is the sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from handlers.core.batching import sum_up
from handlers.core.call import Call
from storage.ledger_record import Record


@contextmanager
def in_parts(call: Call) -> Iterator[Callable[[], Call]]:
    """Gives what makes the call of each part. However it ends, the record says what was used until then; of models it
    names the first that was asked."""
    before, records = replace(call.record), list[Record]()

    def part() -> Call:
        records.append(replace(before))
        return replace(call, record=records[-1])

    try:
        yield part
    finally:
        if records:
            sum_up(records, call.record)
