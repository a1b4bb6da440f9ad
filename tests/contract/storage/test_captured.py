from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.core.capture.search import read_phrases
from handlers.core.errors import Invalid
from storage.captured import CapturedMessage
from storage.database import Database
from storage.ledger.writer import Ledger
from storage.ledger_record import State
from storage.presence import Presence
from storage.repositories.capture_policies import CapturePolicies, PolicyRow
from storage.repositories.captured import CapturedMessages, Effort, Search
from storage.tables.types import instant
from tests.contract.storage.conftest import Two
from tests.contract.storage.test_ledger import NOW, request_of

AT = instant(NOW)


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    opened = Ledger(database, Presence(database))
    await opened.open()
    yield opened
    await opened.close()


async def keep(
    ledger: Ledger, project_id: str, *contents: str, state: State = "completed", **fields: object
) -> tuple[CapturedMessage, ...]:
    record = request_of(project_id, state=state, model="m")
    plain = CapturedMessage(record.request_id, 1, project_id, AT, "request", "user", "m", "", False, None, None)
    messages = tuple(
        replace(plain, content=content, message_seq=number, **fields)  # type: ignore[arg-type]
        for number, content in enumerate(contents, 1)
    )
    await (ledger.start if state == "started" else ledger.finish)(replace(record, messages=messages))
    return messages


async def search(database: Database, text: str, project_id: str, **wanted: object) -> list[str]:
    """The contents that are found, the best first."""
    repository = CapturedMessages(database)
    filters = {"project_id": project_id, **wanted}
    hits = await repository.search(Search(phrases=read_phrases(text), **filters), 100)  # type: ignore[arg-type]
    found = await repository.get([hit.id for hit in hits])
    return [found[hit.id].content for hit in hits]


async def test_messages_come_with_the_final_row_and_once(database: Database, projects: Two, ledger: Ledger) -> None:
    repository = CapturedMessages(database)
    details = {"tool_calls": [{"id": "nul \0", "n": 1.5}]}
    (started,) = await keep(ledger, projects.mine.id, "not yet", state="started")
    assert await repository.of_request(started.request_id) == []
    kept = await keep(ledger, projects.mine.id, "one", "two", details=details, redaction={"rule_id": "default"})
    assert tuple(await repository.of_request(kept[0].request_id)) == kept
    record = request_of(projects.mine.id, request_id=kept[0].request_id, state="completed", messages=kept)
    await ledger.finish(record)
    assert tuple(await repository.of_request(kept[0].request_id)) == kept


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fox", ["the fox", "a red fox and a long tail that goes on and on for ever, fox-like or not"]),
        ("FOX red", ["a red fox and a long tail that goes on and on for ever, fox-like or not"]),
        ('"red fox"', ["a red fox and a long tail that goes on and on for ever, fox-like or not"]),
        ('"fox red"', []),
        ("like", ["a red fox and a long tail that goes on and on for ever, fox-like or not"]),
        ("jo@example.org", ["write to jo@example.org/path_of.file"]),
        ("example", ["write to jo@example.org/path_of.file"]),
        ("path", ["write to jo@example.org/path_of.file"]),
        ("file", ["write to jo@example.org/path_of.file"]),
        ("straße", ["Die Straße nach Łódź"]),
        ("łódź", ["Die Straße nach Łódź"]),
        ("nothing", []),
    ],
)
async def test_words_are_found_alike_on_both_databases(
    database: Database, projects: Two, ledger: Ledger, text: str, found: list[str]
) -> None:
    contents = (
        "a red fox and a long tail that goes on and on for ever, fox-like or not",
        "the fox",
        "write to jo@example.org/path_of.file",
        "Die Straße nach Łódź",
    )
    await keep(ledger, projects.mine.id, *contents)
    await keep(ledger, projects.other.id, "fox of another")
    assert sorted(await search(database, text, projects.mine.id)) == sorted(found)


async def test_the_better_match_comes_first(database: Database, projects: Two, ledger: Ledger) -> None:
    padding = " ".join(f"word{number}" for number in range(200))
    await keep(ledger, projects.mine.id, f"otter {padding}", "otter otter otter", f"{padding} otter {padding}")
    assert (await search(database, "otter", projects.mine.id))[0] == "otter otter otter"


async def test_a_search_is_filtered(database: Database, projects: Two, ledger: Ledger) -> None:
    project = projects.mine.id
    await keep(ledger, project, "lynx asked")
    await keep(ledger, project, "lynx answered", kind="response", role="assistant", model="other")
    await keep(ledger, project, "lynx later", at=AT + timedelta(days=1))
    assert await search(database, "lynx", project, kind="response") == ["lynx answered"]
    assert await search(database, "lynx", project, role="assistant") == ["lynx answered"]
    assert await search(database, "lynx", project, model="other") == ["lynx answered"]
    assert await search(database, "lynx", project, since=AT + timedelta(days=1)) == ["lynx later"]
    before = await search(database, "lynx", project, before=AT + timedelta(days=1))
    assert sorted(before) == ["lynx answered", "lynx asked"]


async def test_what_is_too_old_is_forgotten_and_no_longer_found(
    database: Database, projects: Two, ledger: Ledger
) -> None:
    project, repository = projects.mine.id, CapturedMessages(database)
    await keep(ledger, project, "old ibex", "older ibex", at=AT - timedelta(days=2))
    await keep(ledger, project, "new ibex")
    await keep(ledger, projects.other.id, "ibex of another", at=AT - timedelta(days=2))
    assert [await repository.purge(project, AT, 1) for _ in range(3)] == [1, 1, 0]
    assert await search(database, "ibex", project) == ["new ibex"]
    assert await search(database, "ibex", projects.other.id) == ["ibex of another"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(text=st.text(max_size=60) | st.sampled_from(["NEAR(", "a AND", "col:x", "'", '"', "\\", "a:*", "!x & (", "^a"]))
async def test_no_text_is_a_syntax_error(database: Database, text: str) -> None:
    try:
        phrases = read_phrases(text)
    except Invalid:
        return
    if phrases:
        await CapturedMessages(database).search(Search(phrases=phrases), 10)


async def test_the_longest_text_is_kept_and_found(database: Database, projects: Two, ledger: Ledger) -> None:
    """A tsvector holds less than a text."""
    words = " ".join(f"{number:x}" for number in range(200_000))
    await keep(ledger, projects.mine.id, words + "\ufffd")
    assert len(await search(database, "badf00d 1f", projects.mine.id)) == 0
    assert len(await search(database, "1f", projects.mine.id)) == 1


async def test_a_policy_is_replaced_and_listed_by_its_project_s_slug(database: Database, projects: Two) -> None:
    policies = CapturePolicies(database)
    assert await policies.get(projects.mine.id) is None
    for mode in ("off", "all"):
        await policies.put(PolicyRow(projects.mine.id, {"mode": mode}, AT, "admin"))
    assert await policies.get(projects.mine.id) == {"mode": "all"}
    assert (projects.mine.slug, PolicyRow(projects.mine.id, {"mode": "all"}, AT, "admin")) in await policies.list()


async def test_messages_are_counted_over_all_projects_and_read_by_requests(
    database: Database, projects: Two, ledger: Ledger
) -> None:
    repository = CapturedMessages(database)
    later = AT + timedelta(days=400)
    before = await repository.count(later)
    mine = await keep(ledger, projects.mine.id, "a", "b", at=later)
    theirs = await keep(ledger, projects.other.id, "c", at=later)
    await keep(ledger, projects.mine.id, "too early", at=later - timedelta(seconds=1))
    assert await repository.count(later) - before == 3
    found = await repository.of_requests([mine[0].request_id, theirs[0].request_id])
    assert sorted(found, key=lambda one: one.content) == [*mine, *theirs]
    assert [one.message_seq for one in found if one.project_id == projects.mine.id] == [1, 2]
    assert await repository.of_requests([]) == []


async def test_a_common_word_must_be_there_but_is_not_ranked_by(
    database: Database, projects: Two, ledger: Ledger
) -> None:
    mine = projects.mine.id
    await keep(
        ledger, mine, "the rare rare rare", *(f"the {number} the" for number in range(300)), "the rare, at length"
    )
    await keep(ledger, mine, "rare without it")
    repository = CapturedMessages(database, Effort(counted=50))

    async def found(text: str) -> list[str]:
        hits = await repository.search(Search(phrases=read_phrases(text), project_id=mine), 1000)
        kept = await repository.get([hit.id for hit in hits])
        return [kept[hit.id].content for hit in hits]

    assert await found("the rare") == ["the rare rare rare", "the rare, at length"]
    assert len(await found("the")) == 302
    assert await found("the missing") == []


@pytest.mark.parametrize("effort", [Effort(), Effort(looked_up=0), Effort(counted=0, looked_up=0)])
async def test_filters_and_windows_choose_what_they_name_however_many_there_are(
    database: Database, projects: Two, ledger: Ledger, effort: Effort
) -> None:
    """Messages come in another order than their times."""
    random, repository = Random(11), CapturedMessages(database, effort)
    kept = [
        message
        for _ in range(120)
        for message in await keep(
            ledger, random.choice([projects.mine.id, projects.other.id]), random.choice(["stoat", "stoat asked", "no"]),
            at=AT + timedelta(seconds=random.choice([0, 1800, 3600, random.randint(0, 9000)])),
            kind=random.choice(["request", "response"]), role=random.choice(["user", "röle \"x"]),
            model=random.choice([None, "", "M/1", "m/1"]),
        )
    ]  # fmt: skip
    for number in range(60):
        filters = {"project_id": random.choice([projects.mine.id, projects.other.id])}
        filters |= {
            name: getattr(random.choice(kept), name) for name in ("kind", "role", "model") if random.random() < 0.4
        }
        since, before = sorted(
            AT + timedelta(seconds=random.choice([0, 3600, random.randint(-99, 9999)])) for _ in "ab"
        )
        window = [{}, {"since": since}, {"before": before}, {"since": since, "before": before}][number % 4]
        wanted = {
            (one.request_id, one.message_seq) for one in kept
            if "stoat" in one.content
            and all(value is None or getattr(one, name) == value for name, value in filters.items())
            and window.get("since", one.at) <= one.at and ("before" not in window or one.at < before)
        }  # fmt: skip
        search = Search(phrases=[("stoat",)], **filters, **window)  # type: ignore[arg-type]
        found = await repository.get([hit.id for hit in await repository.search(search, 1000)])
        assert {(one.request_id, one.message_seq) for one in found.values()} == wanted


async def test_what_messages_are_filtered_by_is_no_word_of_theirs(
    database: Database, projects: Two, ledger: Ledger
) -> None:
    await keep(ledger, projects.mine.id, "a pine marten", kind="request")
    assert await search(database, "marten", projects.mine.id) == ["a pine marten"]
    assert await search(database, f"k{b'request'.hex()}", projects.mine.id) == []


async def test_merging_the_index_of_words_changes_no_answer(database: Database, projects: Two, ledger: Ledger) -> None:
    repository, mine = CapturedMessages(database), projects.mine.id
    for number in range(20):
        await keep(ledger, mine, f"merged ibex {number}")
    before = await search(database, "ibex", mine)
    merges = 0
    while await repository.merge():
        merges += 1
    assert (merges > 0) == (database.dialect == "sqlite")
    assert await search(database, "ibex", mine) == before
    assert len(before) == 20
    assert not await repository.merge()
