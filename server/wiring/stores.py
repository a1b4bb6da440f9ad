"""What stands on the database."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from handlers.core.idempotency import Idempotency
from handlers.core.keys import KeyRing
from handlers.core.meters import MeterBook
from handlers.core.quota import Quota
from server.binding.idempotent import MAX_KEPT_BYTES
from server.config import Settings
from storage.database import Database
from storage.errors import StorageUnavailable
from storage.ledger.writer import Ledger, LedgerSettings
from storage.presence import Presence

Background = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Stores:
    """What stands on the database."""

    database: Database
    ledger: Ledger
    keys: KeyRing
    quota: Quota
    idempotency: Idempotency
    meters: MeterBook
    process_id: str

    @property
    def background(self) -> tuple[Background, ...]:
        return (self.ledger.run, self.keys.run, self.quota.run, self.meters.run)


async def open_stores(settings: Settings, stack: AsyncExitStack) -> Stores:
    database = Database.open(settings.database_url.get_secret_value(), settings.database_connections)
    stack.push_async_callback(database.close)
    await database.ensure_current()
    presence = Presence(database)
    ledger = Ledger(database, presence, LedgerSettings(sync=settings.ledger_sync))
    await ledger.open()
    stack.push_async_callback(ledger.close)
    keys, quota = KeyRing(database), Quota(database)
    stores = Stores(
        database,
        ledger,
        keys,
        quota,
        Idempotency(database, presence.process_id, MAX_KEPT_BYTES),
        MeterBook(database, time.time),
        presence.process_id,
    )
    stack.push_async_callback(_settle, stores)
    return stores


async def _settle(stores: Stores) -> None:
    """Writes down what is only remembered, as far as the database still answers."""
    with suppress(StorageUnavailable):
        await stores.keys.flush()
        await stores.quota.close()
        await stores.meters.flush()
