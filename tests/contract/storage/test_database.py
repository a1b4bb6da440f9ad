from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import StatementError

from storage.database import Database
from storage.errors import RowRefused, SchemaMismatch, StorageConflict, StorageUnavailable
from storage.ledger.writer import Ledger
from storage.ledger_record import Record
from storage.migrations import HEAD, REVISIONS
from storage.migrations.fresh import create
from storage.migrations.run import config, upgrade
from storage.presence import Presence
from storage.repositories.organisations import Organisation, Organisations
from storage.repositories.requests import Requests
from storage.tables import METADATA
from storage.tables.search import UNMAPPED


@pytest.fixture
async def postgres_only(empty_postgres_url: str) -> AsyncIterator[Database]:
    opened = Database.open(empty_postgres_url)
    await opened.upgrade()
    yield opened
    await opened.close()


async def keep(database: Database, organisation: Organisation) -> None:
    async with database.writing() as tx:
        await Organisations(database).insert(tx, organisation)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = (
        f"sqlite:///{tmp_path}/empty.db" if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url")
    )
    return str(url)


@pytest.mark.parametrize("make", [create, upgrade], ids=["at once", "by its history"])
async def test_a_schema_has_exactly_the_tables_of_the_models(
    empty_url: str, make: Callable[[Connection], None]
) -> None:
    empty = Database.open(empty_url)

    def is_of_models(name: str | None, kind: str, parents: object) -> bool:
        """Not the indexes of words and vectors, which each database has in a way of its own."""
        return (
            not (name or "").startswith(("captured_messages_text", "ix_captured_messages_terms", *UNMAPPED))
            and name != "terms"
        )

    def differences(connection: Connection) -> list[object]:
        opts = {"compare_type": True, "compare_server_default": True, "include_name": is_of_models}
        context = MigrationContext.configure(connection, opts=opts)
        return list(compare_metadata(context, METADATA))

    async with empty.writing() as tx:
        await tx.run_sync(make)
    async with empty.reading() as connection:
        assert await connection.run_sync(differences) == []
    assert await empty.revision() == HEAD
    await empty.close()


async def test_an_sqlite_schema_made_at_once_is_the_one_that_its_history_makes(tmp_path: Path) -> None:
    schemas = []
    for make in (create, upgrade):
        database = Database.open(f"sqlite:///{tmp_path}/{make.__name__}.db")
        async with database.writing() as tx:
            await tx.run_sync(make)
            rows = await tx.execute(text("SELECT type, name, sql FROM sqlite_master"))
            schemas.append({(row.type, row.name, " ".join((row.sql or "").split())) for row in rows})
        await database.close()
    assert schemas[0] == schemas[1]


def test_the_listed_revisions_are_those_that_alembic_finds() -> None:
    found = [script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()]
    assert tuple(reversed(found)) == REVISIONS


async def test_a_current_schema_is_accepted_and_upgrading_it_changes_nothing(database: Database) -> None:
    await database.ensure_current()
    await database.upgrade()
    assert await database.revision() == HEAD


START = """
import asyncio, sys
from storage.database import Database
database = Database.open(sys.argv[1])

async def start():
    await database.ensure_current()
    await database.close()

asyncio.run(start())
print("alembic" in sys.modules)
"""


async def test_neither_a_first_start_nor_another_imports_alembic(tmp_path: Path) -> None:
    imported = []
    for _ in range(2):
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-c", START, f"sqlite:///{tmp_path}/concordat.db", stdout=asyncio.subprocess.PIPE
        )
        output, _ = await started.communicate()
        imported.append(output.split())
    assert imported == [[b"False"], [b"False"]]


async def test_an_sqlite_schema_is_made_on_start_by_whichever_process_is_first(tmp_path: Path) -> None:
    databases = [Database.open(f"sqlite:///{tmp_path}/data/concordat.db") for _ in range(8)]
    await asyncio.gather(*(database.ensure_current() for database in databases))
    assert [await database.revision() for database in databases] == [HEAD] * 8
    for database in databases:
        await database.close()


async def test_a_postgres_schema_that_is_behind_is_refused_until_it_is_upgraded(empty_postgres_url: str) -> None:
    databases = [Database.open(empty_postgres_url) for _ in range(2)]
    with pytest.raises(SchemaMismatch, match=r"is empty.*run `concordat db upgrade`"):
        await databases[0].ensure_current()
    await asyncio.gather(*(database.upgrade() for database in databases))
    await databases[0].ensure_current()
    for database in databases:
        await database.close()


async def test_a_schema_from_a_newer_version_is_refused(tmp_path: Path, empty_postgres_url: str) -> None:
    for url in (f"sqlite:///{tmp_path}/concordat.db", empty_postgres_url):
        database = Database.open(url)
        await database.upgrade()
        async with database.writing() as tx:
            await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SchemaMismatch, match="9999, which this version does not know"):
            await database.ensure_current()
        await database.close()


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite+aiosqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database"):
        Database.open(url)


async def test_a_postgres_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    database = Database.open(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(StorageUnavailable):
        await database.revision()
    await database.close()


async def test_a_block_that_raises_leaves_nothing_behind(database: Database) -> None:
    organisations = Organisations(database)
    organisation = Organisation("org_rollback", "rollback", "Rollback", datetime.now(UTC))

    async def fail() -> None:
        async with database.writing() as tx:
            await organisations.insert(tx, organisation)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await organisations.find("rollback") is None


async def test_a_taken_name_is_a_conflict(database: Database) -> None:
    await keep(database, Organisation("org_first", "taken", "Taken", datetime.now(UTC)))
    with pytest.raises(StorageConflict):
        await keep(database, Organisation("org_second", "taken", "Taken", datetime.now(UTC)))


@pytest.mark.parametrize("slug", ["lone \ud800 surrogate", "a NUL\x00 in it"])
async def test_a_text_that_cannot_be_kept_is_refused_or_not_found(database: Database, slug: str) -> None:
    if database.dialect == "sqlite" and "\x00" in slug:
        assert await Organisations(database).find(slug) is None
        return
    with pytest.raises(RowRefused):
        await Organisations(database).find(slug)


async def test_a_name_beyond_what_postgres_can_index_is_refused(postgres_only: Database) -> None:
    name = Random(1).randbytes(10_000).hex()  # which does not compress
    with pytest.raises(RowRefused):
        await keep(postgres_only, Organisation("org_1", name, "x", datetime.now(UTC)))


async def test_connections_that_postgres_cut_are_replaced(postgres_only: Database) -> None:
    ledger = Ledger(postgres_only, Presence(postgres_only))
    await ledger.open()
    server = await asyncpg.connect(postgres_only.dsn)
    await server.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await server.close()
    await ledger.finish(Record("req_cut", "ipop", "op", 0.0, project_id="p", state="completed"))
    with pytest.raises(StorageUnavailable):
        await postgres_only.revision()
    assert await Requests(postgres_only).get("p", "req_cut")
    await ledger.close()


async def test_times_come_back_as_the_same_moment_and_naive_ones_are_refused(database: Database) -> None:
    moment = datetime(2026, 1, 31, 23, 59, 59, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    await keep(database, Organisation("org_time", "time", "Time", moment))
    found = await Organisations(database).find("time")
    assert found is not None
    assert found.created_at == moment
    assert found.created_at.tzinfo is not None
    with pytest.raises(StatementError, match="zone"):
        await keep(database, Organisation("org_naive", "naive", "Naive", moment.replace(tzinfo=None)))
