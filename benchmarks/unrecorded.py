"""The server with a ledger that writes nothing, to be measured against: `python -m benchmarks.unrecorded serve`."""

from __future__ import annotations

from server import cli, wiring
from storage.ledger import Ledger
from storage.ledger_record import Record


class Nothing(Ledger):
    """Acknowledges every row at once and drops it."""

    async def start(self, record: Record) -> None:
        pass

    async def finish(self, record: Record) -> None:
        pass

    def post(self, record: Record) -> None:
        pass


if __name__ == "__main__":
    wiring.Ledger = Nothing  # type: ignore[attr-defined]
    cli.main()
