"""Vector stores, and what is searched in them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"

TEXT = sa.String()
LONG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
TIME = sa.DateTime(timezone=True)

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


def upgrade() -> None:
    create_collections()
    create_documents()
    create_chunks()
    create_vectors()
    create_indexes()
    create_stores()
    create_files()
    create_batches()


def create_collections() -> None:
    op.create_table(
        "search_collections",
        sa.Column("no", SERIAL, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("changes", LONG, nullable=False),
        sa.Column("additions", LONG, nullable=False),
        sa.Column("removals", LONG, nullable=False),
        sa.Column("chunks", LONG, nullable=False),
        sa.Column("words", LONG, nullable=False),
        sa.PrimaryKeyConstraint("no", name="pk_search_collections"),
        sqlite_autoincrement=True,
    )


def create_documents() -> None:
    op.create_table(
        "search_documents",
        sa.Column("no", SERIAL, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("collection_no", LONG, nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("attributes", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("no", name="pk_search_documents"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_search_documents_collection_no", "search_documents", ["collection_no", "no"])


def create_chunks() -> None:
    op.create_table(
        "search_chunks",
        sa.Column("no", SERIAL, autoincrement=False, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("document_no", LONG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.Column("start", LONG, nullable=False),
        sa.Column("stop", LONG, nullable=False),
        sa.Column("page", sa.Integer(), nullable=True),
        sa.Column("slide", sa.Integer(), nullable=True),
        sa.Column("sheet", TEXT, nullable=True),
        sa.Column("extra", DOCUMENT, nullable=True),
        sa.PrimaryKeyConstraint("no", name="pk_search_chunks"),
    )
    op.create_index("ix_search_chunks_document_no", "search_chunks", ["document_no", "position"])


def create_vectors() -> None:
    op.create_table(
        "search_vectors",
        sa.Column("chunk_no", SERIAL, autoincrement=False, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("document_no", LONG, nullable=False),
        sa.Column("words", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chunk_no", name="pk_search_vectors"),
    )


def create_indexes() -> None:
    connection = op.get_bind()
    statements: tuple[str, ...] = WORDS
    if connection.dialect.name == "postgresql":
        statements = (*LEXEMES, *VECTORS) if connection.scalar(sa.text(HAS_PGVECTOR)) else LEXEMES
    for statement in statements:
        op.execute(sa.text(statement))


def create_stores() -> None:
    op.create_table(
        "vector_stores",
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("collection_no", LONG, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("active_at", TIME, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("embedding_model", TEXT, nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.Column("usage_bytes", LONG, nullable=False),
        sa.Column("lasting_seconds", LONG, nullable=True),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("deleted_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("project_id", "id", name="pk_vector_stores"),
    )
    op.create_index("ix_vector_stores_project_id_created_at", "vector_stores", ["project_id", "created_at", "id"])
    expiring = sa.text("deleted_at IS NULL AND expires_at IS NOT NULL")
    op.create_index(
        "ix_vector_stores_expires_at",
        "vector_stores",
        ["expires_at"],
        sqlite_where=expiring,
        postgresql_where=expiring,
    )


def create_files() -> None:
    table = "vector_store_files"
    op.create_table(
        table,
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("store_id", TEXT, nullable=False),
        sa.Column("file_id", TEXT, nullable=False),
        sa.Column("batch_id", TEXT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("filename", TEXT, nullable=False),
        sa.Column("size_bytes", LONG, nullable=False),
        sa.Column("attributes", DOCUMENT, nullable=False),
        sa.Column("strategy", DOCUMENT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("error_code", TEXT, nullable=True),
        sa.Column("error_message", TEXT, nullable=True),
        sa.Column("chunks", LONG, nullable=False),
        sa.Column("usage_bytes", LONG, nullable=False),
        sa.Column("indexed_at", TIME, nullable=True),
        sa.Column("document_no", LONG, nullable=True),
        sa.Column("next_document_no", LONG, nullable=True),
        sa.Column("job_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_vector_store_files"),
    )
    op.create_index("uq_vector_store_files_file_id", table, ["project_id", "store_id", "file_id"], unique=True)
    op.create_index("ix_vector_store_files_created_at", table, ["project_id", "store_id", "created_at", "id"])
    op.create_index("ix_vector_store_files_status", table, ["project_id", "store_id", "status"])
    op.create_index("ix_vector_store_files_batch_id", table, ["project_id", "batch_id", "status"])
    op.create_index("ix_vector_store_files_document_no", table, ["document_no"])
    unfinished = sa.text("status = 'in_progress'")
    op.create_index(
        "ix_vector_store_files_unfinished", table, ["job_id"], sqlite_where=unfinished, postgresql_where=unfinished
    )


def create_batches() -> None:
    op.create_table(
        "vector_store_batches",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("project_id", TEXT, nullable=False),
        sa.Column("store_id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vector_store_batches"),
    )
    op.create_index("ix_vector_store_batches_store_id", "vector_store_batches", ["project_id", "store_id"])
