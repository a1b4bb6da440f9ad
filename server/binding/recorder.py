"""The ledger row of a request, from its first moment to its last."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.core.errors import CoreError, Unavailable
from handlers.core.kinds import KINDS
from handlers.core.traces import note_parent
from providers.trace_context import TraceContext
from server.request import Request
from storage.errors import StorageError
from storage.ledger_record import Record, State

COME_AGAIN = {"Retry-After": "1"}


class Observer(Protocol):
    """Is told of every request that has ended, and must neither wait nor fail."""

    def ended(self, record: Record, trace: TraceContext | None) -> None: ...

    def refused(self, api: str, status: int) -> None:
        """Of a request that nobody was recognised for, or that no operation has."""
        ...


class Ledger(Protocol):
    """What `storage.ledger.Ledger` offers: `start` and `finish` return when the row is safe."""

    def begin(self, record: Record) -> Any: ...

    async def start(self, record: Record, begun: Any = None) -> None: ...

    async def finish(self, record: Record) -> None: ...

    def post(self, record: Record) -> None: ...


@dataclass(frozen=True, slots=True)
class Recorder:
    api: str
    ledger: Ledger
    observers: tuple[Observer, ...] = ()

    def open(self, request: Request) -> Record:
        operation_id = request.routed.operation_id
        record = Record(request.request_id, self.api, operation_id, request.started_at, kind=KINDS.get(operation_id))
        if request.who is not None:
            record.project_id = request.who.project_id or None
            record.key_id = request.who.key_id
            if request.trace is not None:
                note_parent(record, request.trace.trace_id, request.trace.span_id)
        return record

    def begin(self, request: Request) -> None:
        """Has the row of a stream written while its vendor thinks: `start` then hardly waits."""
        record = request.record
        if record is not None and request.begun is None and request.record_is_ours:
            with suppress(StorageError):  # then `start` tries again, and says so
                request.begun = self.ledger.begin(record)

    async def start(self, record: Record, request: Request) -> None:
        """Commits the row before the first byte of a stream. Raises `Unavailable`."""
        record.streamed = True
        try:
            await self.ledger.start(record, request.begun)
        except StorageError as error:
            raise Unavailable("the request could not be recorded", headers=COME_AGAIN) from error

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
        if not request.record_is_ours:
            return  # who completes it tells of it
        if record.project_id is None:
            self._tell(record, request)
            return
        try:
            if record.model is None:
                self.ledger.post(record)
            else:
                await self.ledger.finish(record)
        except StorageError as error:
            record.state = "failed"  # towards the client, whatever the ledger makes of it
            record.http_status = Unavailable.status
            if state == "failed":  # or else the client is yet to be told, by `fail`
                self._tell(record, request)
            raise Unavailable("the answer could not be recorded", headers=COME_AGAIN) from error
        self._tell(record, request)

    async def fail(self, record: Record, request: Request, error: CoreError) -> None:
        record.error_code = error.code
        await self.close(record, request, "failed", error.status)

    def refuse(self, status: int) -> None:
        for observer in self.observers:
            observer.refused(self.api, status)

    def _tell(self, record: Record, request: Request) -> None:
        for observer in self.observers:
            observer.ended(record, request.trace)
