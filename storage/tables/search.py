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
    "CREATE TABLE search_words (chunk_no BIGINT PRIMARY KEY, collection_no BIGINT NOT NULL, words TSVECTOR NOT NULL)",
    "CREATE INDEX ix_search_words_words ON search_words USING gin (words)",
)
VECTORS = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE TABLE search_vectors (chunk_no BIGINT PRIMARY KEY, collection_no BIGINT NOT NULL,"
    " document_no BIGINT NOT NULL, vector VECTOR NOT NULL)",
    "CREATE INDEX ix_search_vectors_collection_no ON search_vectors (collection_no)",
)
HAS_PGVECTOR = "SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'"
UNMAPPED = "search_words", "search_vectors"
"""What the names of these tables begin with."""


class SearchCollectionRow(Row, table=True):
    """`revision` goes up with every change of what is found, `removals` with every chunk that goes; `words` are those
    of all chunks."""

    __tablename__ = "search_collections"
    __table_args__ = ({"sqlite_autoincrement": True},)

    no: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    project_id: str
    dimensions: int
    revision: int = Field(sa_type=BigInteger)
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
    """`vector` are single-precision numbers, the lowest byte first; it is NULL where pgvector holds them. `words` is
    how many there are. A place is said as far as the document has one."""

    __tablename__ = "search_chunks"
    __table_args__ = (
        Index("ix_search_chunks_collection_no", "collection_no", "no"),
        Index("ix_search_chunks_document_no", "document_no", "position"),
        {"sqlite_autoincrement": True},
    )

    no: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    project_id: str
    collection_no: int = Field(sa_type=BigInteger)
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
    vector: bytes | None = Field(default=None, sa_type=LargeBinary)


def _make_indexes(_: object, connection: Connection, **__: object) -> None:
    """As the migration does it."""
    if connection.dialect.name == "sqlite":
        statements = WORDS
    else:
        has_pgvector = connection.scalar(text(HAS_PGVECTOR))
        statements = (*LEXEMES, *VECTORS) if has_pgvector else LEXEMES
    for statement in statements:
        connection.execute(text(statement))


event.listen(core(SearchChunkRow), "after_create", _make_indexes)
