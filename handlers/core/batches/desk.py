"""Who answers the rows of a batch: a port, for the answer is to be the one that the API gives over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from handlers.core.call import Caller
from storage.ledger_record import Record


@dataclass(frozen=True, slots=True)
class Asked:
    """`body` is the JSON body of a request; `request_id` is the same whenever the row is asked for again."""

    operation_id: str
    body: Any
    who: Caller
    request_id: str


@dataclass(frozen=True, slots=True)
class Told:
    """A status and a JSON body. Where asking again may help, `wait_seconds` says after how long; `by_limit` says that
    it will, because it was a limit of the project's own."""

    status: int
    body: Any
    record: Record
    wait_seconds: float | None = None
    by_limit: bool = False


class Desk(Protocol):
    """Both raise `StorageUnavailable`."""

    async def ask(self, asked: Asked) -> Told:
        """Whatever is wrong with a request is told."""
        ...

    async def record(self, told: Told) -> None:
        """Enters a request into the ledger, once it is not going to be asked again; a second time changes nothing."""
        ...
