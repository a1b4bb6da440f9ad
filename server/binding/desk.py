"""Requests that the server makes of itself, for the rows of batches: held against the document, answered, worded and
recorded as those that come over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from codegen.operation import Body, Operation
from handlers.core.batches import Asked, Told
from handlers.core.call import Call
from handlers.core.errors import CoreError, Invalid, RateLimited
from handlers.core.kinds import KINDS
from handlers.core.services import Services
from handlers.wire.reply import Reply
from server.binding.boundary import Wording, told_of
from server.inspect import find_handler
from server.openapi31.bodies import parse_json
from server.openapi31.faults import describe
from server.openapi31.specification import Document
from storage.errors import StorageUnavailable
from storage.ledger_record import Record

WAIT_SECONDS = 1.0
PERMANENT = frozenset({"model_unavailable"})
"""What no waiting helps, though its status says so."""
OURS = frozenset({"capacity_unavailable"})


@dataclass(frozen=True)
class Desk:
    """See `handlers.core.batches.Desk`. `load` gives the API's document, and is called when there is something to
    do."""

    api: str
    services: Services
    wording: Wording
    load: Callable[[], Document]

    @cached_property
    def _document(self) -> Document:
        return self.load()

    async def ask(self, asked: Asked) -> Told:
        record = Record(asked.request_id, self.api, asked.operation_id, self.services.clock())
        record.kind = KINDS.get(asked.operation_id)
        record.project_id, record.key_id = asked.who.project_id, asked.who.key_id
        status, wait, by_limit = 200, None, False
        try:
            body = await self._answer(asked, record)
            record.state = "completed"
        except StorageUnavailable:
            raise
        except Exception as error:
            told = told_of(error, asked.operation_id)
            status, _, body = self.wording.render(told, asked.request_id)
            record.state, record.error_code = "failed", told.code
            wait, by_limit = _wait_seconds(told), _is_ours(told)
        record.http_status = status
        record.duration_us = int((self.services.clock() - record.started_at) * 1_000_000)
        return Told(status, body, record, wait, by_limit)

    async def record(self, told: Told) -> None:
        if told.record.model is None:
            self.services.ledger.post(told.record)
        else:
            await self.services.ledger.finish(told.record)

    async def _answer(self, asked: Asked, record: Record) -> Any:
        operation = next(one for one in self._document.operations if one.operation_id == asked.operation_id)
        handler = find_handler(operation)
        if handler is None:
            raise RuntimeError(f"{asked.operation_id} has no handler")
        call = Call(
            services=self.services,
            api=self.api,
            operation_id=asked.operation_id,
            request_id=asked.request_id,
            headers={},
            record=record,
            who=asked.who,
            batch=True,
        )
        reply = await handler.function(body=self._checked(operation, asked.body), call=call)
        return reply.content if isinstance(reply, Reply) else reply

    def _checked(self, operation: Operation, body: Any) -> Body[Any]:
        """Raises `Invalid`."""
        payload = next(one for one in operation.body if one.schema is not None)
        try:
            data = parse_json(orjson.dumps(body))
        except TypeError as error:
            raise Invalid(f"the body cannot be read: {error}", code="malformed_json") from None
        validator = self._document.validator(str(payload.schema))
        if not validator.is_valid(data):
            raise describe(validator, data, first_only=True)
        if data.get("stream"):
            raise Invalid("rows of a batch are not streamed", code="stream_not_supported", param="stream")
        return Body(data, payload.model)


def _wait_seconds(error: CoreError) -> float | None:
    if isinstance(error, RateLimited):
        return float(error.retry_after_seconds)
    return WAIT_SECONDS if error.retryable and error.code not in PERMANENT else None


def _is_ours(error: CoreError) -> bool:
    """A limit of ours, and none that a vendor has told of."""
    return error.code in OURS or (isinstance(error, RateLimited) and error.__cause__ is None)
