from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.storage.conftest import fresh_database, postgres_url
from tests.journeys.conftest import client, other, stranger

__all__ = ["client", "database_settings", "other", "postgres_url", "stranger"]


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def database_settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """A server's settings for a database of its own; one on Postgres has no tables yet."""
    if request.param == "sqlite":
        yield {}
        return
    with fresh_database(request.getfixturevalue("postgres_url")) as url:
        yield {"CONCORDAT_DATABASE_URL": url}
