"""Containers, stored chats and traces, kept apart by project, in order, and written with their request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.chat_record import StoredChat, TraceEntry
from storage.database import Database
from storage.errors import StorageConflict
from storage.ledger.writer import Ledger
from storage.ledger_record import Record
from storage.presence import Presence
from storage.repositories.completions import ChatCompletions, ChatFilter, Page
from storage.repositories.containers import Container, Containers, Submodel
from storage.repositories.projects import Projects
from storage.repositories.traces import Traces
from tests.contract.storage.conftest import Two

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVERYTHING = ChatFilter()


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    opened = Ledger(database, Presence(database))
    await opened.open()
    yield opened
    await opened.close()


def container_of(project_id: str, number: int = 1) -> Container:
    return Container(
        id=f"ctr_{project_id}_{number}",
        project_id=project_id,
        label=f"label-{number}",
        api="chat.completions",
        initial_model="a/b",
        created_at=NOW + timedelta(seconds=number),
        default_parameters={"max_tokens": 5.0, "stop": None},
        options={"max_tokens": 5},
        default_few_shot_messages=[{"role": "user", "content": "hi"}],
    )


def submodel_of(container: Container, slug: str = "team/one") -> Submodel:
    return Submodel(f"model_{slug}", container.id, container.project_id, slug, "c/d", NOW)


def chat_of(project_id: str, number: int = 1, **changes: Any) -> StoredChat:
    chat = StoredChat(
        key=f"req_{project_id}_{number}",
        project_id=project_id,
        id=f"chatcmpl-{number}",
        created_at=NOW + timedelta(microseconds=number),
        model="a/b",
        provider="simulator",
        container_id=None,
        container=None,
        cost_micros=7,
        metadata=None,
        tags=["x"],
        trace=None,
        request=b'{"messages": [{"role": "user", "content": "\\u0000"}]}',
        answer=b'{"created": 1, "choices": [], "usage": null}',
    )
    return replace(chat, **changes)


def record_of(chat: StoredChat, **changes: Any) -> Record:
    record = Record(chat.key, "maniac", "chat_completions_create", NOW.timestamp(), project_id=chat.project_id)
    return replace(record, state="completed", http_status=200, chat=chat, **changes)


def traced(project_id: str, number: int, trace_id: str = "t", **changes: Any) -> TraceEntry:
    context = {"id": trace_id, "metadata": {"number": number}}
    entry = TraceEntry(
        f"req_{project_id}_{number}", project_id, trace_id, NOW + timedelta(seconds=number), None, None, None, None,
        None, context,
    )  # fmt: skip
    return replace(entry, **changes)


async def test_a_container_is_seen_and_changed_by_its_own_project_alone(database: Database, projects: Two) -> None:
    containers, container = Containers(database), container_of(projects.mine.id)
    await containers.insert(container)
    await containers.attach(submodel_of(container))
    other = projects.other.id
    assert await containers.find(container.project_id, container.label) == container
    assert await containers.get(container.project_id, container.id) == container
    assert await containers.find(other, container.label) is None
    assert await containers.get(other, container.id) is None
    assert (await containers.list(other), await containers.count(other)) == ([], 0)
    assert await containers.submodels(other, container.id) == []
    assert await containers.submodel(other, container.id, "team/one") is None
    assert await containers.change(other, container.id, {"default_model": "c/d"}) is None
    assert not await containers.delete(other, container.id, NOW)
    assert await containers.get(container.project_id, container.id) == container
    assert await containers.submodels(container.project_id, container.id) == [submodel_of(container)]


async def test_a_label_is_one_containers_until_that_is_deleted(database: Database, projects: Two) -> None:
    containers, container = Containers(database), container_of(projects.mine.id)
    await containers.insert(container)
    await containers.attach(submodel_of(container))
    again = replace(container, id="ctr_again")
    with pytest.raises(StorageConflict):
        await containers.insert(again)
    await containers.insert(container_of(projects.other.id))
    assert await containers.delete(container.project_id, container.id, NOW)
    assert not await containers.delete(container.project_id, container.id, NOW)
    await containers.insert(again)
    assert await containers.find(container.project_id, container.label) == again
    assert await containers.submodels(container.project_id, container.id) == []


async def test_containers_are_listed_newest_first_and_changes_keep_the_rest(database: Database, projects: Two) -> None:
    containers, project_id = Containers(database), projects.mine.id
    made = [container_of(project_id, number) for number in range(3)]
    for container in made:
        await containers.insert(container)
    assert await containers.list(project_id, limit=2) == [made[2], made[1]]
    assert await containers.list(project_id, limit=2, offset=2) == [made[0]]
    assert await containers.count(project_id) == 3
    changed = await containers.change(project_id, made[0].id, {"default_model": "c/d", "default_parameters": None})
    assert changed == replace(made[0], default_model="c/d", default_parameters=None)
    assert await containers.change(project_id, made[1].id, {}) == made[1]


async def test_attaching_again_replaces_what_the_slug_meant(database: Database, projects: Two) -> None:
    containers, container = Containers(database), container_of(projects.mine.id)
    await containers.insert(container)
    first = await containers.attach(submodel_of(container))
    second = await containers.attach(replace(first, id="new", model="e/f", options={"n": 2}))
    assert second == replace(first, model="e/f", options={"n": 2})
    assert await containers.submodel(container.project_id, container.id, first.slug) == second


async def test_a_chat_is_written_with_its_final_record_and_only_once(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    chats, chat = ChatCompletions(database), chat_of(projects.mine.id, metadata={"b": 1, "a": {"d": 1, "c": 2}})
    started = replace(record_of(chat), state="started")
    await ledger.start(started)
    await ledger.finish(started)
    assert await chats.get(projects.mine.id, chat.id) is None
    await ledger.finish(record_of(chat))
    await ledger.finish(record_of(replace(chat, model="another")))
    assert await chats.get(projects.mine.id, chat.id) == chat
    assert await chats.get(projects.other.id, chat.id) is None
    assert await chats.count(projects.mine.id, EVERYTHING) == 1
    assert await chats.count(projects.other.id, EVERYTHING) == 0


async def test_a_failed_request_leaves_no_chat(database: Database, ledger: Ledger, projects: Two) -> None:
    await ledger.finish(replace(record_of(chat_of(projects.mine.id)), state="failed"))
    assert await ChatCompletions(database).list(projects.mine.id, EVERYTHING, Page()) == []


async def test_chats_are_paged_by_place_and_by_cursor_both_ways(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    chats, project_id = ChatCompletions(database), projects.mine.id
    made = [chat_of(project_id, number, created_at=NOW + timedelta(microseconds=number // 2)) for number in range(5)]
    for chat in made:
        await ledger.finish(record_of(chat))
    newest_first = made[::-1]
    assert await chats.list(project_id, EVERYTHING, Page()) == newest_first
    assert await chats.list(project_id, EVERYTHING, Page(limit=2, offset=1)) == newest_first[1:3]
    assert await chats.list(project_id, EVERYTHING, Page(limit=2, after=made[3].key)) == newest_first[2:4]
    assert await chats.list(project_id, EVERYTHING, Page(order="asc", after=made[1].key)) == made[2:]
    assert await chats.list(project_id, EVERYTHING, Page(offset=5)) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [2, 1, 0]),
        ({"n": 1}, [0]),
        ({"n": 1.0}, [0]),
        ({"n": "1"}, []),
        ({"n": True}, [1]),
        ({"deep": {"b": [1], "a": None}}, [0]),
        ({"deep": {"a": None}}, []),
        ({'odd"$.key': None}, [1]),
        ({"missing": None}, []),
        ({"n": 1, "other": 2}, []),
    ],
    ids=repr,
)
async def test_metadata_is_found_by_equal_members(
    database: Database, ledger: Ledger, projects: Two, wanted: dict[str, Any], found: list[int]
) -> None:
    chats, project_id = ChatCompletions(database), projects.mine.id
    told: list[Any] = [{"n": 1, "deep": {"a": None, "b": [1]}}, {"n": True, 'odd"$.key': None}, None]
    for number, metadata in enumerate(told):
        await ledger.finish(record_of(chat_of(project_id, number, metadata=metadata)))
    which = ChatFilter(metadata=wanted)
    page = await chats.list(project_id, which, Page())
    assert [chat.id for chat in page] == [f"chatcmpl-{number}" for number in found]
    assert await chats.count(project_id, which) == len(found)


async def test_more_chats_are_registered_at_once_than_a_statement_can_hold(database: Database, projects: Two) -> None:
    chats = ChatCompletions(database)
    first = [chat_of(projects.mine.id, number) for number in range(0, 5000, 2)]
    assert len(await chats.register(first)) == 2500
    assert len(await chats.register([chat_of(projects.mine.id, number) for number in range(5000)])) == 2500
    assert await chats.count(projects.mine.id, EVERYTHING) == 5000


async def test_registering_keeps_what_is_new(database: Database, ledger: Ledger, projects: Two) -> None:
    chats, project_id = ChatCompletions(database), projects.mine.id
    await ledger.finish(record_of(chat_of(project_id, 1)))
    news = [chat_of(project_id, number, key=f"elsewhere {project_id} {number}", model=None) for number in (1, 2)]
    assert await chats.register(news) == {"chatcmpl-2"}
    assert await chats.register(news) == set()
    assert await chats.register([]) == set()
    assert await chats.get(project_id, "chatcmpl-2") == news[1]
    assert await chats.count(project_id, ChatFilter(models={"a/b"})) == 1


async def test_an_id_that_a_vendor_uses_twice_names_the_newest(
    database: Database, ledger: Ledger, projects: Two
) -> None:
    chats, project_id = ChatCompletions(database), projects.mine.id
    for number in (1, 2):
        await ledger.finish(record_of(chat_of(project_id, number, id="same")))
    assert (await chats.get(project_id, "same")) == chat_of(project_id, 2, id="same")
    assert await chats.count(project_id, EVERYTHING) == 2


async def test_traces_add_up_the_requests_of_their_project(database: Database, ledger: Ledger, projects: Two) -> None:
    traces, project_id, container = Traces(database), projects.mine.id, container_of(projects.mine.id)
    entries = [
        traced(project_id, 1, name="old", source="app", container_id=container.id),
        traced(project_id, 2, name="new", container_id=container.id),
        traced(project_id, 3),
        traced(project_id, 4, "u"),
        traced(projects.other.id, 5),
    ]
    for entry, state in zip(entries, ["completed", "failed", "interrupted", "started", "completed"], strict=True):
        record = Record(entry.request_id, "maniac", "o", NOW.timestamp(), entry.project_id, cost_micros=3, trace=entry)
        await ledger.finish(replace(record, state=state))  # type: ignore[arg-type]
    u, t = await traces.list(project_id, limit=9)
    assert (t.requests, t.containers, t.cost_micros, t.successes, t.errors) == (3, 1, 9, 1, 2)
    assert (t.name, t.source, t.first_seen, t.last_seen) == ("new", "app", entries[0].at, entries[2].at)
    assert (u.trace_id, u.requests, u.successes, u.errors, u.name) == ("u", 1, 0, 0, None)
    assert await traces.list(project_id, limit=1, offset=1) == [t]
    assert await traces.count(project_id) == 2
    assert [request.entry for request in await traces.requests(project_id, "t")] == entries[:3]
    assert await traces.requests(project_id, "nobody") == []


async def test_a_deleted_project_leaves_nothing_of_its_chats(database: Database, ledger: Ledger, projects: Two) -> None:
    project_id, container = projects.mine.id, container_of(projects.mine.id)
    await Containers(database).insert(container)
    await Containers(database).attach(submodel_of(container))
    await ledger.finish(record_of(chat_of(project_id), trace=traced(project_id, 1)))
    async with database.writing(settled=True) as tx:
        await Projects(database).delete(tx, project_id, NOW)
    assert await Containers(database).count(project_id) == 0
    assert await ChatCompletions(database).count(project_id, EVERYTHING) == 0
    assert await Traces(database).count(project_id) == 0
