"""That this process is alive, for the others to see.

Whoever leaves something unfinished in the database marks it with its process id; when the process's lease runs out,
the others know that nobody will finish it. The hosts' clocks must agree to within a few seconds.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, select

from storage.database import Database
from storage.tables.traffic import ProcessRow
from storage.tables.types import core, instant

PROCESSES = core(ProcessRow)
LEASE_SECONDS = 20.0
BACKUP = "backup-"
"""What the ids of processes that back up begin with: meanwhile no blob is removed."""


def this_host() -> str:
    """The host, and the namespace in which its process ids mean something."""
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()}/{os.readlink(namespace) if namespace.exists() else ''}"


@dataclass(frozen=True, slots=True)
class Presence:
    """One process's row. `beat` must be called well within `lease_seconds`."""

    database: Database
    clock: Callable[[], float] = time.time
    process_id: str = field(default_factory=lambda: f"proc_{uuid.uuid4().hex}")
    host: str = field(default_factory=this_host)
    pid: int = field(default_factory=os.getpid)
    lease_seconds: float = LEASE_SECONDS

    async def beat(self) -> None:
        row = {
            "id": self.process_id,
            "host": self.host,
            "pid": self.pid,
            "lease_until": instant(self.clock() + self.lease_seconds),
        }
        statement = self.database.insert(PROCESSES).values(row)
        async with self.database.writing() as tx:
            await tx.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))

    async def bury(self) -> None:
        """Forgets the processes whose lease has run out and, at once, those of this host that are gone."""
        async with self.database.reading() as connection:
            neighbours = await connection.execute(
                select(PROCESSES.c.id, PROCESSES.c.pid).where(PROCESSES.c.host == self.host)
            )
        pids = {row.id: row.pid for row in neighbours if row.id != self.process_id}
        gone = [process_id for process_id, pid in pids.items() if not _runs(pid)]
        dead = (PROCESSES.c.lease_until <= instant(self.clock())) | PROCESSES.c.id.in_(gone)
        async with self.database.writing() as tx:
            await tx.execute(delete(PROCESSES).where(dead, PROCESSES.c.id != self.process_id))

    async def living(self) -> frozenset[str]:
        """The ids of all processes that are there."""
        query = select(PROCESSES.c.id).where(PROCESSES.c.lease_until > instant(self.clock()))
        async with self.database.reading() as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def leave(self) -> None:
        async with self.database.writing() as tx:
            await tx.execute(delete(PROCESSES).where(PROCESSES.c.id == self.process_id))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
