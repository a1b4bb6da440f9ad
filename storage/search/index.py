"""Collections of documents in chunks, and the search in them. numpy is imported when it is first needed."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update

from storage.database import Database, Transaction
from storage.search.filters import Filter
from storage.search.numbers import CHUNKS_OF_ALL_TIMES, Collection
from storage.search.shapes import Chunk, Found, NewChunk, Query
from storage.tables.search import SearchChunkRow, SearchCollectionRow, SearchDocumentRow
from storage.tables.types import core, plain

if TYPE_CHECKING:
    from storage.search.engine import Engine

COLLECTIONS, DOCUMENTS, CHUNKS = core(SearchCollectionRow), core(SearchDocumentRow), core(SearchChunkRow)
CHUNK_COLUMNS = [CHUNKS.c[field.name] for field in fields(Chunk)]
MOST_BYTES = 512 * 2**20
KNOWN_COLLECTIONS = 256


@dataclass(frozen=True, slots=True)
class Documents:
    """Those of a collection that are live, with their attributes; `are_all` when it has no others."""

    changes: int
    attributes: Mapping[int, Mapping[str, Any]]
    are_all: bool


class SearchIndex:
    """A document is found from its publication to its retirement; removing it then takes as many calls as it has
    slices of chunks, so that no transaction is long. `most_bytes` is for vectors that are kept in memory.

    Methods with `tx` write in the caller's transaction. All raise `storage.errors.StorageError`.
    """

    def __init__(self, database: Database, most_bytes: int = MOST_BYTES) -> None:
        self.database = database
        self._most_bytes = most_bytes
        self._opening = asyncio.Lock()
        self._engine: Engine | None = None
        self._documents: OrderedDict[int, Documents] = OrderedDict()

    async def create(self, tx: Transaction, project_id: str, dimensions: int) -> int:
        """Answers the number of a new collection."""
        counts = dict.fromkeys(("changes", "additions", "removals", "chunks", "words"), 0)
        values = {"project_id": project_id, "dimensions": dimensions, **counts}
        return int((await tx.execute(COLLECTIONS.insert().values(values).returning(COLLECTIONS.c.no))).scalar_one())

    async def get(self, collection_no: int) -> Collection | None:
        async with self.database.reading() as connection:
            row = (await connection.execute(select(COLLECTIONS).where(COLLECTIONS.c.no == collection_no))).one_or_none()
        return None if row is None else Collection(**plain(row))

    async def add_document(self, tx: Transaction, collection_no: int, attributes: Mapping[str, Any]) -> int:
        """Answers its number; it is not live yet."""
        project_id = await self._change(tx, collection_no)
        values = {"project_id": project_id, "collection_no": collection_no, "is_live": False, "attributes": attributes}
        return int((await tx.execute(DOCUMENTS.insert().values(values).returning(DOCUMENTS.c.no))).scalar_one())

    async def publish(self, tx: Transaction, document_no: int) -> None:
        await self._set(tx, document_no, is_live=True)

    async def retire(self, tx: Transaction, document_no: int) -> None:
        await self._set(tx, document_no, is_live=False)

    async def describe(self, tx: Transaction, document_no: int, attributes: Mapping[str, Any]) -> None:
        """Replaces its attributes."""
        await self._set(tx, document_no, attributes=dict(attributes))

    async def insert(self, document_no: int, first_position: int, chunks: Sequence[NewChunk]) -> bool:
        """The document's chunks from that position on, in a transaction of their own. False when it was removed.
        Raises `ValueError` for a vector that has other dimensions than the collection."""
        from storage.search.preparing import prepare

        if not chunks:
            return True
        engine = await self._open()
        prepared = await asyncio.to_thread(prepare, chunks)
        words = sum(one.length for one in prepared)
        async with self.database.writing() as tx:
            mine = select(DOCUMENTS.c.collection_no).where(DOCUMENTS.c.no == document_no).scalar_subquery()
            counted = {
                "additions": COLLECTIONS.c.additions + len(chunks),
                "chunks": COLLECTIONS.c.chunks + len(chunks),
                "words": COLLECTIONS.c.words + words,
            }
            change = update(COLLECTIONS).where(COLLECTIONS.c.no == mine).values(counted).returning(COLLECTIONS)
            row = (await tx.execute(change)).one_or_none()
            if row is None:
                return False
            collection = Collection(**plain(row))
            first_no = collection.first_chunk_no + collection.additions - len(chunks)
            indexed = [one.numbered(first_no + at, document_no, collection) for at, one in enumerate(prepared)]
            rows = [
                {
                    **{name: getattr(chunk, name) for name in TAKEN_OVER},
                    "no": one.chunk_no,
                    "project_id": collection.project_id,
                    "document_no": document_no,
                    "position": first_position + at,
                    "words": one.length,
                }
                for at, (chunk, one) in enumerate(zip(chunks, indexed, strict=True))
            ]
            await tx.execute(CHUNKS.insert(), rows)
            await engine.insert(tx, collection, indexed)
        return True

    async def count(self, document_no: int) -> int:
        """Its chunks that are there."""
        query = select(func.count()).select_from(CHUNKS).where(CHUNKS.c.document_no == document_no)
        async with self.database.reading() as connection:
            return int(await connection.scalar(query) or 0)

    async def chunks(self, document_no: int, first_position: int = 0, limit: int = 1000) -> Sequence[Chunk]:
        query = select(*CHUNK_COLUMNS).where(CHUNKS.c.document_no == document_no, CHUNKS.c.position >= first_position)
        async with self.database.reading() as connection:
            rows = await connection.execute(query.order_by(CHUNKS.c.position).limit(limit))
        return [Chunk(**plain(row)) for row in rows]

    async def remove_some(self, document_no: int, limit: int = 500) -> int:
        """Ends the document and removes so many of its chunks; 0 when all are gone."""
        engine = await self._open()
        of_document = CHUNKS.c.document_no == document_no
        async with self.database.writing() as tx:
            ended = delete(DOCUMENTS).where(DOCUMENTS.c.no == document_no).returning(DOCUMENTS.c.collection_no)
            collection_no = (await tx.execute(ended)).scalar_one_or_none()
            if collection_no is not None:
                await self._change(tx, collection_no)
            rows = (await tx.execute(select(CHUNKS.c.no, CHUNKS.c.words).where(of_document).limit(limit))).all()
            if rows:
                await self._count_off(tx, rows)
                numbers = [row.no for row in rows]
                await tx.execute(delete(CHUNKS).where(CHUNKS.c.no.in_(numbers)))
                await engine.remove(tx, numbers)
        return len(rows)

    async def drop(self, collection_no: int) -> None:
        """With all its documents, in many transactions."""
        query = select(DOCUMENTS.c.no).where(DOCUMENTS.c.collection_no == collection_no).limit(500)
        while True:
            async with self.database.reading() as connection:
                numbers = (await connection.execute(query)).scalars().all()
            if not numbers:
                break
            for number in numbers:
                while await self.remove_some(number):
                    pass
        async with self.database.writing() as tx:
            await tx.execute(delete(COLLECTIONS).where(COLLECTIONS.c.no == collection_no))

    async def search(self, query: Query) -> list[Found]:
        """The best first; those that are alike in the order they were added. None in a collection that is not there.
        Raises `ValueError` for a vector of other dimensions."""
        from storage.search.searching import search

        collection = await self.get(query.collection_no)
        if collection is None or not collection.chunks:
            return []
        documents = await self._known(collection)
        admitted = None if documents.are_all and query.filter is None else _admitted(documents, query.filter)
        best = await search(await self._open(), collection, query, admitted)
        wanted = select(*CHUNK_COLUMNS).where(CHUNKS.c.no.in_([no for no, _ in best]))
        async with self.database.reading() as connection:
            found = {row.no: Chunk(**plain(row)) for row in await connection.execute(wanted)}
        return [Found(found[no], score) for no, score in best if no in found]

    async def _known(self, collection: Collection) -> Documents:
        known = self._documents.get(collection.no)
        if known is None or known.changes < collection.changes:
            columns = (DOCUMENTS.c.no, DOCUMENTS.c.is_live, DOCUMENTS.c.attributes)
            query = select(*columns).where(DOCUMENTS.c.collection_no == collection.no).order_by(DOCUMENTS.c.no)
            async with self.database.reading() as connection:
                rows = (await connection.execute(query)).all()
            live = {row.no: row.attributes for row in rows if row.is_live}
            known = self._documents[collection.no] = Documents(collection.changes, live, len(live) == len(rows))
        self._documents.move_to_end(collection.no)
        while len(self._documents) > KNOWN_COLLECTIONS:
            self._documents.popitem(last=False)
        return known

    async def _set(self, tx: Transaction, document_no: int, **values: Any) -> None:
        change = update(DOCUMENTS).where(DOCUMENTS.c.no == document_no).values(values)
        collection_no = (await tx.execute(change.returning(DOCUMENTS.c.collection_no))).scalar_one_or_none()
        if collection_no is not None:
            await self._change(tx, collection_no)

    async def _change(self, tx: Transaction, collection_no: int) -> str:
        change = update(COLLECTIONS).where(COLLECTIONS.c.no == collection_no)
        row = await tx.execute(change.values(changes=COLLECTIONS.c.changes + 1).returning(COLLECTIONS.c.project_id))
        return str(row.scalar_one())

    async def _count_off(self, tx: Transaction, rows: Sequence[Any]) -> None:
        values = {
            "removals": COLLECTIONS.c.removals + 1,
            "chunks": COLLECTIONS.c.chunks - len(rows),
            "words": COLLECTIONS.c.words - sum(row.words for row in rows),
        }
        collection_no = rows[0].no // CHUNKS_OF_ALL_TIMES
        await tx.execute(update(COLLECTIONS).where(COLLECTIONS.c.no == collection_no).values(values))

    async def _open(self) -> Engine:
        async with self._opening:
            if self._engine is None:
                from storage.search.opening import open_engine

                self._engine = await open_engine(self.database, self._most_bytes)
        return self._engine


TAKEN_OVER = ("text", "tokens", "start", "stop", "page", "slide", "sheet", "extra")


def _admitted(documents: Documents, filter: Filter | None) -> list[int]:
    """In ascending order."""
    if filter is None:
        return list(documents.attributes)
    return [no for no, attributes in documents.attributes.items() if filter.admits(attributes)]
