"""What was put into vector stores as it is, without a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from storage.database import Database, Transaction
from storage.tables.types import core, plain
from storage.tables.vector_stores import VectorStoreDocumentRow

DOCUMENTS = core(VectorStoreDocumentRow)


@dataclass(frozen=True, slots=True)
class StoreDocument:
    """Until it is live `expires_at` is when it is given up."""

    document_no: int
    project_id: str
    store_id: str
    created_at: datetime
    name: str | None = None
    is_live: bool = False
    usage_bytes: int = 0
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoreDocuments:
    database: Database

    async def insert(self, tx: Transaction, document: StoreDocument) -> None:
        await tx.execute(DOCUMENTS.insert().values(asdict(document)))

    async def publish(self, tx: Transaction, document_no: int, usage_bytes: int, expires_at: datetime | None) -> bool:
        """False when it is not there any more."""
        values = {"is_live": True, "usage_bytes": usage_bytes, "expires_at": expires_at}
        change = update(DOCUMENTS).where(DOCUMENTS.c.document_no == document_no).values(values)
        return (await tx.execute(change)).rowcount == 1

    async def named(self, tx: Transaction, project_id: str, store_id: str, name: str) -> Sequence[StoreDocument]:
        """Those that are live."""
        mine = (DOCUMENTS.c.project_id == project_id, DOCUMENTS.c.store_id == store_id, DOCUMENTS.c.name == name)
        rows = await tx.execute(select(DOCUMENTS).where(*mine, DOCUMENTS.c.is_live))
        return [StoreDocument(**plain(row)) for row in rows]

    async def delete(self, tx: Transaction, document_no: int) -> bool:
        return (await tx.execute(delete(DOCUMENTS).where(DOCUMENTS.c.document_no == document_no))).rowcount == 1

    async def over(self, now: datetime, limit: int) -> Sequence[StoreDocument]:
        """Those of every project whose time is over."""
        query = select(DOCUMENTS).where(DOCUMENTS.c.expires_at <= now).order_by(DOCUMENTS.c.expires_at).limit(limit)
        async with self.database.reading() as connection:
            return [StoreDocument(**plain(row)) for row in await connection.execute(query)]
