"""What dead processes left unfinished."""

from __future__ import annotations

from sqlalchemy import select

from storage.database import Database
from storage.ledger_record import Record
from storage.repositories.requests import FIELDS, REQUESTS, record
from storage.tables.traffic import ProcessRow
from storage.tables.types import core

PROCESSES = core(ProcessRow)


async def orphans(database: Database, limit: int) -> list[tuple[Record, str]]:
    """Started requests of processes that are no more, already marked `interrupted`, each with its process's id."""
    living = select(PROCESSES.c.id).where(PROCESSES.c.id == REQUESTS.c.process_id).exists()
    query = select(*FIELDS, REQUESTS.c.process_id).where(REQUESTS.c.state == "started", ~living).limit(limit)
    async with database.reading(settled=True) as connection:
        rows = (await connection.execute(query)).all()
    found = []
    for row in rows:
        entry = record(row)
        entry.state = "interrupted"
        found.append((entry, str(row.process_id)))
    return found
