"""Rows that were there before a migration are found after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, bindparam, text

from storage.database import Database
from storage.migrations.run import config
from storage.repositories.captured import CapturedMessages, Search
from storage.repositories.history import History, Which
from storage.repositories.telemetry import Points, Window
from storage.tables.types import Instant

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
REQUEST = """
INSERT INTO requests (
    request_id, api, operation_id, started_at, project_id, state, streamed, model, provider, prompt_tokens,
    completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_micros, process_id, kind
) VALUES (:id, 'ipop', 'chat', :at, :project_id, :state, false, 'm', :provider, 3, 4, 0, 0, 0, 0, 'p', 'chat')
"""
HOUR = """
INSERT INTO request_hours (
    hour, project_id, kind, api, model, state, error_code, requests, prompt_tokens, completion_tokens, cached_tokens,
    cost_micros, prompt_cost_micros, cached_cost_micros, free_prompt_tokens, free_cached_tokens, free_completion_tokens,
    prompt_meters, cached_meters, completion_meters, tries, requeues, first_bytes, cache_hits
) VALUES (:hour, :project_id, 'chat', '*', '*', :state, '', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""
MESSAGE = """
INSERT INTO captured_messages (request_id, message_seq, project_id, at, kind, role, content, is_truncated)
VALUES ('req_0', :number, 'a', :at, 'request', 'user', :content, false)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    return str(request.getfixturevalue("empty_postgres_url"))


def fill(connection: Connection) -> None:
    """At revision 0019: of project a one request an hour before two others, one of which still runs; one of b."""

    def insert(statement: str, at: datetime, **values: object) -> None:
        timed = [bindparam("at", at, type_=Instant)] if ":at" in statement else []
        connection.execute(text(statement).bindparams(*timed), values)

    command.upgrade(config(connection), "0019")
    rows = (("a", "completed", "v", 1), ("a", "failed", None, 0), ("b", "completed", "v", 0), ("a", "started", None, 0))
    for number, (project_id, state, provider, hours_before) in enumerate(rows):
        at = AT - timedelta(hours=hours_before)
        insert(REQUEST, at, id=f"req_{number}", project_id=project_id, state=state, provider=provider)
        if state != "started":
            insert(HOUR, at, hour=int(at.timestamp()), project_id=project_id, state=state)
    for number, content in enumerate(("an old stoat", "an older stoat")):
        insert(MESSAGE, AT - timedelta(hours=number), number=number, content=content)


async def test_sums_and_the_index_of_words_are_made_of_what_was_there(empty_url: str) -> None:
    database = Database.open(empty_url)

    async with database.writing() as tx:
        await tx.run_sync(fill)
    await database.upgrade()
    history = History(database)
    assert {key: sums["requests"] for key, sums in (await history.sums(Which(), "state")).items()} == {
        ("completed",): 2,
        ("failed",): 1,
    }
    hour = int(AT.timestamp())
    series = await Points(database).of_requests("a", "total_tokens", Window(hour - 7200, hour + 7200, 3600), 10)
    assert {one.labels["provider_id"]: one.sums for one in series} == {"v": {hour - 3600: 7}, None: {hour: 14}}
    messages = CapturedMessages(database)
    for search, found in ((Search(phrases=[("stoat",)], role="user"), 2), (Search(phrases=[("stoat",)], since=AT), 1)):
        assert len(await messages.search(search, 10)) == found
    assert await messages.purge("a", AT, 10) == 1
    assert len(await messages.search(Search(phrases=[("stoat",)]), 10)) == 1
    await database.close()
