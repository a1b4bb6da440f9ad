"""The event streams that each server process has open, as it last told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from storage.database import Database
from storage.tables.captured import OpenStreamsRow
from storage.tables.traffic import ProcessRow
from storage.tables.types import core

STREAMS = core(OpenStreamsRow)
PROCESSES = core(ProcessRow)


@dataclass(frozen=True, slots=True)
class OpenStreams:
    database: Database

    async def tell(self, process_id: str, streams: Sequence[dict[str, Any]], at: datetime) -> None:
        """Replaces what the process told before."""
        row = {"process_id": process_id, "streams": list(streams), "at": at}
        statement = self.database.insert(STREAMS).values(row)
        async with self.database.writing() as tx:
            await tx.execute(statement.on_conflict_do_update(index_elements=["process_id"], set_=row))

    async def living(self, now: datetime) -> dict[str, list[dict[str, Any]]]:
        """By process, of those whose lease has not run out."""
        alive = select(PROCESSES.c.id).where(PROCESSES.c.lease_until > now)
        query = select(STREAMS.c.process_id, STREAMS.c.streams).where(STREAMS.c.process_id.in_(alive))
        async with self.database.reading() as connection:
            rows = await connection.execute(query)
        return {row.process_id: row.streams for row in rows}

    async def bury(self) -> None:
        """Forgets what processes told that are no more."""
        async with self.database.writing() as tx:
            await tx.execute(delete(STREAMS).where(STREAMS.c.process_id.not_in(select(PROCESSES.c.id))))
