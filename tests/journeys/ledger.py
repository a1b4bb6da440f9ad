"""The ledger of a server that runs, or ran, as another process reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from storage.database import Database
from storage.ledger_record import Record
from storage.repositories.keys import Key, Keys
from storage.repositories.projects import Projects
from storage.repositories.requests import Requests
from tests.journeys.waiting import eventually
from tests.live import LiveServer

Found = TypeVar("Found")

MOST = 100_000


@dataclass(frozen=True)
class LedgerReader:
    url: str

    @classmethod
    def of(cls, server: LiveServer) -> LedgerReader:
        return cls(server.settings.get("CONCORDAT_DATABASE_URL") or f"sqlite:///{server.data_dir}/concordat.db")

    def get(self, project: str, request_id: str) -> Record | None:
        return self._ask(project, lambda requests, owner: requests.get(owner, request_id))

    def settled(self, project: str, request_id: str) -> Record:
        """The record as soon as it is final: a request that nobody reads to its end is written behind."""
        found = eventually(lambda: self.get(project, request_id), lambda record: record and record.state != "started")
        assert found is not None
        return found

    def all(self, project: str) -> list[Record]:
        """Newest first."""
        return self._ask(project, lambda requests, owner: requests.list(owner, limit=MOST))

    def keys(self, project: str) -> list[Key]:
        return self._ask(project, lambda requests, owner: Keys(requests.database).list(owner))

    def _ask(self, project: str, question: Callable[[Requests, str], Awaitable[Found]]) -> Found:
        """`question` gets the project's id."""

        async def ask() -> Found:
            database = Database.open(self.url)
            try:
                owner = await Projects(database).find(project)
                assert owner is not None
                return await question(Requests(database), owner.id)
            finally:
                await database.close()

        return asyncio.run(ask())
