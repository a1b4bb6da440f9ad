"""The server with a ledger that writes nothing, to be measured against: `python -m benchmarks.unrecorded serve`."""

from __future__ import annotations

from typing import Any

from server import cli
from server.wiring import stores
from storage.ledger import Ledger
from storage.ledger_record import Record


class Nothing(Ledger):
    """Acknowledges every row at once and drops it."""

    def begin(self, record: Record) -> Any:
        pass

    async def start(self, record: Record, begun: object = None) -> None:
        pass

    async def finish(self, record: Record) -> None:
        pass

    def post(self, record: Record) -> None:
        pass


if __name__ == "__main__":
    stores.Ledger = Nothing  # type: ignore[attr-defined]
    cli.main()
