"""The ledger row of a request, from its first moment to its last."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from handlers.core.errors import CoreError, Unavailable
from handlers.core.kinds import KINDS
from server.request import Request
from storage.errors import StorageError
from storage.ledger_record import Record, State


class Ledger(Protocol):
    """What `storage.ledger.Ledger` offers: `start` and `finish` return when the row is committed."""

    async def start(self, record: Record) -> None: ...

    async def finish(self, record: Record) -> None: ...

    def post(self, record: Record) -> None: ...


@dataclass(frozen=True, slots=True)
class Recorder:
    api: str
    ledger: Ledger

    def open(self, request: Request) -> Record:
        record = Record(
            request_id=request.request_id,
            api=self.api,
            operation_id=request.routed.operation_id,
            started_at=request.started_at,
            kind=KINDS.get(request.routed.operation_id),
        )
        if request.who is not None:
            record.project_id = request.who.project_id or None
            record.key_id = request.who.key_id
        return record

    async def start(self, record: Record) -> None:
        """Commits the row before the first byte of a stream. Raises `Unavailable`."""
        record.streamed = True
        try:
            await self.ledger.start(record)
        except StorageError as error:
            raise Unavailable("the request could not be recorded") from error

    def note(self, record: Record) -> None:
        """Writes behind how far a stream has come: should this process be killed, that is what is billed."""
        with suppress(StorageError):
            self.ledger.post(record)

    async def close(self, record: Record, request: Request, state: State, status: int) -> None:
        """Completes the row. Waits for the commit when a model answered, so that what a client has read to its end is
        recorded; anything else is written behind. Raises `Unavailable`."""
        record.state = state
        record.http_status = status
        record.duration_us = request.elapsed_us()
        if record.project_id is None:
            return
        try:
            if record.model is None:
                self.ledger.post(record)
            else:
                await self.ledger.finish(record)
        except StorageError as error:
            record.state = "failed"  # towards the client, whatever the ledger makes of it
            raise Unavailable("the answer could not be recorded") from error

    async def fail(self, record: Record, request: Request, error: CoreError) -> None:
        record.error_code = error.code
        await self.close(record, request, "failed", error.status)
