"""What can be searched: collections of documents, and the chunks that documents fall into.

Beside these tables stands the index of words (SQLite: FTS5) and, on Postgres with pgvector, that of vectors: neither is
a table that SQLAlchemy knows, so both are made by statements of their own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, Index, LargeBinary, event, text
from sqlmodel import Field

from storage.tables.types import Document, Row, Serial, core

WORDS = (
    "CREATE VIRTUAL TABLE search_words USING fts5(words, tokenize = \"ascii tokenchars '_'\")",
    "CREATE VIRTUAL TABLE search_words_terms USING fts5vocab(search_words, 'row')",
    "CREATE VIRTUAL TABLE search_words_places USING fts5vocab(search_words, 'instance')",
)
LEXEMES = (
    "CREATE TABLE search_words (chunk_no BIGINT PRIMARY KEY, document_no BIGINT NOT NULL, length INTEGER NOT NULL,"
    " words TSVECTOR NOT NULL)",
    "CREATE INDEX ix_search_words_words ON search_words USING gin (words)",
)
VECTORS = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE TABLE search_pgvectors (chunk_no BIGINT PRIMARY KEY, document_no BIGINT NOT NULL, vector VECTOR NOT NULL)",
)
HAS_PGVECTOR = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"
UNMAPPED = "search_words", "search_pgvectors"
"""What the names of these tables begin with."""


class SearchCollectionRow(Row, table=True):
    """`changes` goes up when other documents, or the same by other attributes, are to be found; `additions` with every
    chunk that comes and `removals` when some go. `chunks` and `words` are how many there are, of all documents."""

    __tablename__ = "search_collections"
    __table_args__ = ({"sqlite_autoincrement": True},)

    no: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    project_id: str
    dimensions: int
    changes: int = Field(sa_type=BigInteger)
    additions: int = Field(sa_type=BigInteger)
    removals: int = Field(sa_type=BigInteger)
    chunks: int = Field(sa_type=BigInteger)
    words: int = Field(sa_type=BigInteger)


class SearchDocumentRow(Row, table=True):
    """One that is not live is being written, or cleared away, and is not found."""

    __tablename__ = "search_documents"
    __table_args__ = (
        Index("ix_search_documents_collection_no", "collection_no", "no"),
        {"sqlite_autoincrement": True},
    )

    no: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    project_id: str
    collection_no: int = Field(sa_type=BigInteger)
    is_live: bool
    attributes: dict[str, Any] = Field(sa_type=Document)


class SearchChunkRow(Row, table=True):
    """`no` is the collection's number times 2**32 and, below that, which of its additions this was: so the chunks of a
    collection stand together, the newest last. A place is said as far as the document has one."""

    __tablename__ = "search_chunks"
    __table_args__ = (Index("ix_search_chunks_document_no", "document_no", "position"),)

    no: int = Field(primary_key=True, sa_type=Serial, sa_column_kwargs={"autoincrement": False})
    project_id: str
    document_no: int = Field(sa_type=BigInteger)
    position: int
    text: str
    tokens: int
    words: int
    start: int = Field(sa_type=BigInteger)
    stop: int = Field(sa_type=BigInteger)
    page: int | None = None
    slide: int | None = None
    sheet: str | None = None
    extra: dict[str, Any] | None = Field(default=None, sa_type=Document)


class SearchVectorRow(Row, table=True):
    """Single-precision numbers, the lowest byte first, of unit length. `words` is how many the chunk has. There are
    none where pgvector holds them."""

    __tablename__ = "search_vectors"

    chunk_no: int = Field(primary_key=True, sa_type=Serial, sa_column_kwargs={"autoincrement": False})
    project_id: str
    document_no: int = Field(sa_type=BigInteger)
    words: int
    vector: bytes = Field(sa_type=LargeBinary)


def _make_indexes(_: object, connection: Connection, **__: object) -> None:
    """As the migration does it."""
    for statement in _indexes(connection):
        connection.execute(text(statement))


def _indexes(connection: Connection) -> tuple[str, ...]:
    if connection.dialect.name == "sqlite":
        return WORDS
    return (*LEXEMES, *VECTORS) if connection.scalar(text(HAS_PGVECTOR)) else LEXEMES


event.listen(core(SearchChunkRow), "after_create", _make_indexes)
