"""What a handler knows about the request it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from handlers.core.errors import Unauthenticated
from handlers.core.open_streams import Gauge
from storage.ledger_record import Record

if TYPE_CHECKING:
    from handlers.core.services import Services


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `models` and `apis` are what the key is limited to, None for no limit; an admin token has no key."""

    project_id: str
    project: str
    key_id: str | None = None
    admin: bool = False
    models: frozenset[str] | None = None
    apis: frozenset[str] | None = None


def _nothing() -> None:
    """For calls that no client waits for, and whose record nobody else closes."""


@dataclass(slots=True, eq=False)
class Call:
    """Nothing in one is changed. `headers` are lower-cased. `record` is the request's row of the ledger: core fills in
    model, tokens and cost. `outlive_client()` lets the request go on to its end also when its client hangs up; after
    `hand_over_record()` the row is somebody else's to complete, when the request has been answered. `begin_record()`
    has the row of what will be streamed written meanwhile. `gauge` counts what is streamed. `scheme` is
    that of the address which the caller used, as far as the connection or a trusted proxy tells. `query` is the query
    as it was sent. What follows a body joins `headers` when the body is read. `batch` marks a row of a batch."""

    services: Services
    api: str
    operation_id: str
    request_id: str
    headers: Mapping[str, str]
    record: Record
    who: Caller | None = None
    scheme: str = "http"
    query: str = ""
    outlive_client: Callable[[], None] = _nothing
    hand_over_record: Callable[[], None] = _nothing
    begin_record: Callable[[], None] = _nothing
    gauge: Gauge = field(default_factory=Gauge)
    batch: bool = False

    def part(self, record: Record) -> Call:
        """For one of several requests that this one is made of. When it is done, the others may still be called off."""
        return replace(
            self,
            request_id=record.request_id,
            record=record,
            outlive_client=_nothing,
            hand_over_record=_nothing,
        )

    @property
    def caller(self) -> Caller:
        """Raises `Unauthenticated` on an operation that is open to everybody and was called without a key."""
        if self.who is None:
            raise Unauthenticated("this needs an API key")
        return self.who
