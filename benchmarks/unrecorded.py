"""The server with a ledger that writes nothing, to be measured against: `python -m benchmarks.unrecorded serve`."""

from __future__ import annotations

from server import cli
from storage.ledger.writer import Ledger
from storage.ledger_record import Record


def drop(_ledger: Ledger, _record: Record, _process_id: str | None = None) -> None:
    """In place of `Ledger._write`: nothing is made of the record, and nobody has to wait for it."""


if __name__ == "__main__":
    assert Ledger._write.__code__.co_argcount == drop.__code__.co_argcount
    Ledger._write = drop  # type: ignore[method-assign, assignment]
    cli.main()
