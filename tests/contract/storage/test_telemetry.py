"""Telemetry: what clients log, the server's own requests seen as spans, and metrics of both; each project's own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from storage.chat_record import TraceEntry
from storage.database import Database
from storage.ledger.writer import Ledger
from storage.ledger_record import Record
from storage.presence import Presence
from storage.repositories.telemetry import (
    Condition,
    LoggedTraces,
    Message,
    Point,
    Points,
    SpanEnd,
    Spans,
    SpanStart,
    TelemetryLog,
    TracePage,
    Window,
)
from storage.repositories.telemetry.log import Place
from storage.repositories.telemetry.points import TooManyPoints
from storage.repositories.telemetry.requests import span_id_of, trace_id_of
from tests.contract.storage.conftest import Two

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


def place(project_id: str, span_id: str, second: float = 0, trace_id: str = "t1", **attributes: Any) -> Place:
    at = NOW + timedelta(seconds=second)
    return Place(project_id, trace_id, span_id, at, NOW + WEEK, attributes)


@pytest.fixture
def log(database: Database) -> TelemetryLog:
    return TelemetryLog(database)


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    opened = Ledger(database, Presence(database))
    await opened.open()
    yield opened
    await opened.close()


async def span(log: TelemetryLog, at: Place, parent: str | None = None, seconds: float | None = 1) -> None:
    """A whole one; without `seconds` it does not end."""
    await log.start(SpanStart(at, f"span {at.span_id}", parent))
    if seconds is not None:
        end = replace(at, at=at.at + timedelta(seconds=seconds), attributes={})
        await log.end(SpanEnd(end, "ok"))


def request(project_id: str, second: float = 0, **fields: Any) -> Record:
    values: dict[str, Any] = {
        "request_id": f"req_{uuid.uuid4().hex[:24]}",
        "api": "maniac",
        "operation_id": "chat_completions_create",
        "kind": "chat",
        "started_at": NOW.timestamp() + second,
        "project_id": project_id,
        "state": "completed",
        "http_status": 200,
        "model": "a/b",
        "provider": "a",
        "prompt_tokens": 5,
        "completion_tokens": 3,
        "duration_us": 2_000_000,
    }
    return Record(**(values | fields))


def under(record: Record, trace_id: str, span_id: str | None) -> Record:
    """The request as a part of its client's trace."""
    at = NOW + timedelta(seconds=record.started_at - NOW.timestamp())
    assert record.project_id is not None
    record.trace = TraceEntry(
        record.request_id, record.project_id, trace_id, at, span_id, None, None, None, None, {"id": trace_id}
    )
    return record


Ids = Callable[..., Any]


@pytest.fixture
def ids(database: Database) -> Ids:
    """`await ids(project_id, *conditions, **page)`: the traces found."""

    async def find(project_id: str, *conditions: Condition, **page: Any) -> list[str]:
        found = await LoggedTraces(database).list(project_id, TracePage(conditions, **page), NOW)
        return [trace.trace_id for trace in found]

    return find


async def test_a_span_is_what_its_start_and_its_end_told(database: Database, projects: Two, log: TelemetryLog) -> None:
    mine = projects.mine.id
    await log.start(SpanStart(place(mine, "root", 1, input="NUL \0, ünïcode", n=1), "work", None))
    await log.end(SpanEnd(place(mine, "root", 3, output="done", n=2), "error"))
    found = await Spans(database).get(mine, "t1", "root", NOW)
    assert found is not None
    assert (found.name, found.parent_span_id, found.status) == ("work", None, "error")
    assert (found.started_at, found.ended_at) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=3))
    assert found.attributes == {"input": "NUL \0, ünïcode", "output": "done", "n": 2}
    trace = await LoggedTraces(database).get(mine, "t1", NOW)
    assert trace is not None
    assert (trace.root_span_id, trace.started_at, trace.ended_at) == ("root", found.started_at, found.ended_at)


async def test_an_end_may_come_before_its_start(database: Database, projects: Two, log: TelemetryLog) -> None:
    mine, spans = projects.mine.id, Spans(database)
    await log.end(SpanEnd(place(mine, "root", 3, b=1), "ok"))
    assert await spans.get(mine, "t1", "root", NOW) is None
    assert await LoggedTraces(database).get(mine, "t1", NOW) is None
    await log.start(SpanStart(place(mine, "root", 1, a=1), "work", None))
    found = await spans.get(mine, "t1", "root", NOW)
    assert found is not None
    assert (found.ended_at, found.status, found.attributes) == (NOW + timedelta(seconds=3), "ok", {"a": 1, "b": 1})
    trace = await LoggedTraces(database).get(mine, "t1", NOW)
    assert trace is not None
    assert trace.ended_at == found.ended_at


async def test_the_root_is_the_span_without_parent(database: Database, projects: Two, log: TelemetryLog) -> None:
    mine, logged = projects.mine.id, LoggedTraces(database)

    async def root() -> str:
        trace = await logged.get(mine, "t1", NOW)
        assert trace is not None
        return trace.root_span_id

    await span(log, place(mine, "second", 2), parent="root")
    assert await root() == "second"
    await span(log, place(mine, "first", 1), parent="root")
    assert await root() == "first"
    await span(log, place(mine, "root", 3))
    assert await root() == "root"
    await span(log, place(mine, "zeroth", 0), parent="root")
    trace = await logged.get(mine, "t1", NOW)
    assert trace is not None
    assert (trace.root_span_id, trace.started_at) == ("root", NOW)


async def test_the_same_ids_in_two_projects_never_mix(
    database: Database, projects: Two, log: TelemetryLog, ids: Ids
) -> None:
    await span(log, place(projects.mine.id, "root", who="mine"))
    await span(log, place(projects.other.id, "root", who="other"))
    await span(log, place(projects.other.id, "more"), parent="root")
    spans = Spans(database)
    for project, who, count in ((projects.mine, "mine", 1), (projects.other, "other", 2)):
        found = await spans.get(project.id, "t1", "root", NOW)
        assert found is not None
        assert found.attributes == {"who": who}
        assert len(await spans.of_traces(project.id, ["t1"], NOW, 10)) == count
    assert await ids(projects.mine.id, Condition("who", "eq", "other")) == []
    assert await spans.find(projects.mine.id, "more", NOW) is None


CONDITIONS: list[tuple[tuple[str, Any, Any], Any]] = [
    (("model", "eq", "x"), {"t1", "t2"}),
    (("model", "eq", "X"), set()),
    (("model", "ne", "x"), {"t3"}),
    (("model", "gt", "x"), {"t3"}),
    (("model", "lt", "xy"), {"t1", "t2"}),
    (("model", "gt", 1), set()),
    (("n", "eq", 2), {"t2"}),
    (("n", "eq", 2.0), {"t2"}),
    (("n", "eq", "2"), set()),
    (("n", "ne", 2), {"t1", "t3"}),
    (("n", "gt", 1), {"t2", "t3"}),
    (("n", "lt", 2.5), {"t1", "t2"}),
    (("ok", "eq", True), {"t1"}),
    (("ok", "eq", "true"), set()),
    (("ok", "ne", True), {"t2"}),
    (("ok", "ne", None), {"t1", "t2"}),
    (("ok", "eq", None), {"t3"}),
    (("tags", "eq", ["a", "b"]), {"t1"}),
    (("text", "eq", "long " * 500), {"t1"}),
    (("text", "eq", "long " * 499), set()),
    (("absent", "eq", 1), set()),
    (("absent", "ne", 1), set()),
    (("a'; DROP TABLE x", "eq", "'"), set()),
]


@pytest.mark.parametrize("many", [100, 0], ids=["few", "many"])
async def test_conditions_hold_for_values_of_one_kind(
    database: Database, projects: Two, log: TelemetryLog, many: int
) -> None:
    mine, logged = projects.mine.id, LoggedTraces(database, many)

    async def ids(*conditions: Condition, newest_first: bool = False) -> list[str]:
        page = TracePage(conditions, newest_first=newest_first)
        return [trace.trace_id for trace in await logged.list(mine, page, NOW)]

    await span(log, place(mine, "a", 1, "t1", model="x", n=1, ok=True, tags=["a", "b"], text="long " * 500))
    await span(log, place(mine, "b", 2, "t2", model="x", n=2, ok=False))
    await span(log, place(mine, "c", 3, "t3", model="y", n=3))
    for condition, expected in CONDITIONS:
        assert set(await ids(Condition(*condition))) == expected, condition
    both = (Condition("model", "eq", "x"), Condition("n", "gt", 1))
    assert await ids(*both) == ["t2"]
    assert await ids(Condition("n", "gt", 1), Condition("absent", "eq", None), newest_first=True) == ["t3", "t2"]


async def test_all_conditions_are_of_one_span(projects: Two, log: TelemetryLog, ids: Ids) -> None:
    mine = projects.mine.id
    await span(log, place(mine, "a", 1, "t1", model="x"))
    await span(log, place(mine, "b", 2, "t1", n=1), parent="a")
    assert await ids(mine, Condition("model", "eq", "x")) == ["t1"]
    assert await ids(mine, Condition("model", "eq", "x"), Condition("n", "eq", 1)) == []


async def test_an_attribute_that_is_told_again_is_found_by_its_last_value(
    projects: Two, log: TelemetryLog, ids: Ids
) -> None:
    mine = projects.mine.id
    await log.start(SpanStart(place(mine, "a", 1, n=1), "work", None))
    await log.end(SpanEnd(place(mine, "a", 2, n="one"), "ok"))
    assert await ids(mine, Condition("n", "eq", 1)) == []
    assert await ids(mine, Condition("n", "eq", "one")) == ["t1"]


async def test_traces_are_paged_in_order(projects: Two, log: TelemetryLog, ledger: Ledger, ids: Ids) -> None:
    mine = projects.mine.id
    records = [request(mine, second, kind=kind) for second, kind in ((1, "chat"), (3, None), (5, "chat"))]
    for record in records:
        await ledger.finish(record)
    for second in (0, 2, 4):
        await span(log, place(mine, "root", second, f"t{second}"))
    one, three, five = (trace_id_of(record.request_id) for record in records)
    everything = ["t0", one, "t2", three, "t4", five]
    assert await ids(mine) == everything
    assert await ids(mine, newest_first=True) == everything[::-1]
    assert await ids(mine, limit=2, offset=1) == everything[1:3]
    assert await ids(mine, limit=3, offset=4, newest_first=True) == [one, "t0"]
    assert await ids(mine, limit=0) == []


async def test_a_request_is_a_trace_of_one_span(database: Database, projects: Two, ledger: Ledger, ids: Ids) -> None:
    mine, spans = projects.mine.id, Spans(database)
    record = request(mine, 1)
    await ledger.finish(record)
    await ledger.finish(request(mine, 2, operation_id="spans_query", model=None, provider=None))
    trace_id, span_id = trace_id_of(record.request_id), span_id_of(record.request_id)
    assert await ids(mine) == [trace_id]
    trace = await LoggedTraces(database).get(mine, trace_id, NOW)
    assert trace is not None
    assert (trace.root_span_id, trace.ended_at) == (span_id, NOW + timedelta(seconds=3))
    found = await spans.get(mine, trace_id, span_id, NOW)
    assert found is not None
    assert found == await spans.find(mine, span_id, NOW)
    assert [found] == await spans.of_traces(mine, [trace_id], NOW, 10)
    assert (found.name, found.status, found.parent_span_id) == ("chat_completions_create", "ok", None)
    told = {"model": "a/b", "provider": "a", "prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert found.attributes.items() >= told.items()
    assert "error_code" not in found.attributes
    assert await spans.get(mine, "0" * 32, span_id, NOW) is None
    for theirs in (spans.get(projects.other.id, trace_id, span_id, NOW), spans.find(projects.other.id, span_id, NOW)):
        assert await theirs is None
    assert await LoggedTraces(database).get(projects.other.id, trace_id, NOW) is None
    assert await spans.of_traces(projects.other.id, [trace_id], NOW, 10) == []


REQUEST_CONDITIONS: list[tuple[tuple[str, Any, Any], bool]] = [
    (("model", "eq", "a/b"), True),
    (("model", "ne", "a/b"), False),
    (("model", "ne", 5), True),
    (("model", "eq", "\0"), False),
    (("total_tokens", "gt", 7), True),
    (("total_tokens", "eq", 8.0), True),
    (("total_tokens", "lt", "z"), False),
    (("streamed", "eq", False), True),
    (("streamed", "ne", False), False),
    (("streamed", "eq", 0), False),
    (("error_code", "eq", None), True),
    (("error_code", "ne", None), False),
    (("session_id", "eq", None), True),
    (("session_id", "eq", "s"), False),
    (("operation", "eq", "chat_completions_create"), True),
    (("prompt_tokens", "lt", 2.0**70), True),
    (("http_status", "gt", 2**40), False),
    (("http_status", "gt", 199.5), True),
    (("http_status", "lt", 199.5), False),
    (("http_status", "eq", 200.5), False),
    (("http_status", "ne", 200.5), True),
    (("http_status", "eq", True), False),
]


@pytest.mark.parametrize("trace_id", [None, "t1"])
async def test_requests_are_found_by_what_the_ledger_knows(
    projects: Two, ledger: Ledger, ids: Ids, trace_id: str | None
) -> None:
    mine = projects.mine.id
    record = request(mine)
    await ledger.finish(under(record, trace_id, "parent") if trace_id else record)
    expected = [trace_id or trace_id_of(record.request_id)]
    for condition, holds in REQUEST_CONDITIONS:
        assert await ids(mine, Condition(*condition)) == (expected if holds else []), condition


async def test_requests_belong_to_the_trace_that_their_client_names(
    database: Database, projects: Two, log: TelemetryLog, ledger: Ledger, ids: Ids
) -> None:
    mine, spans = projects.mine.id, Spans(database)
    first, second = request(mine, 1), request(mine, 2, model="c/d")
    await ledger.finish(under(first, "t1", "root"))
    await ledger.finish(under(second, "t1", "root"))
    assert await ids(mine) == await ids(mine, newest_first=True) == ["t1"]
    assert await ids(mine, Condition("model", "eq", "c/d")) == ["t1"]
    trace = await LoggedTraces(database).get(mine, "t1", NOW)
    assert trace is not None
    assert trace.root_span_id == span_id_of(first.request_id)
    await span(log, place(mine, "root", 0, session_id="s"), seconds=5)
    assert await ids(mine) == ["t1"]
    for condition in (Condition("session_id", "eq", "s"), Condition("model", "eq", "c/d")):
        assert await ids(mine, condition) == ["t1"]
    trace = await LoggedTraces(database).get(mine, "t1", NOW)
    assert trace is not None
    assert (trace.root_span_id, trace.ended_at) == ("root", NOW + timedelta(seconds=5))
    found = await spans.of_traces(mine, ["t1"], NOW, 10)
    assert [(one.span_id, one.parent_span_id) for one in found] == [
        ("root", None),
        (span_id_of(first.request_id), "root"),
        (span_id_of(second.request_id), "root"),
    ]
    assert await spans.get(mine, "t1", span_id_of(first.request_id), NOW) == found[1]
    assert await spans.get(mine, trace_id_of(first.request_id), span_id_of(first.request_id), NOW) is None
    assert await LoggedTraces(database).get(mine, trace_id_of(first.request_id), NOW) is None


async def test_what_has_expired_is_not_seen_and_then_forgotten(
    database: Database, projects: Two, log: TelemetryLog, ids: Ids
) -> None:
    mine, spans = projects.mine.id, Spans(database)
    await span(log, place(mine, "a", 0, "t1", n=1))
    await span(log, replace(place(mine, "b", 1, "t2", n=1), expires_at=NOW))
    await log.say(Message(replace(place(mine, "b", 1, "t2"), expires_at=NOW), "info", "gone"))
    await log.count(Point(replace(place(mine, "b", 1, "t2"), expires_at=NOW), "m", 1, "u"))
    window = Window(int(NOW.timestamp()), int(NOW.timestamp()) + 60)
    assert await ids(mine) == await ids(mine, Condition("n", "eq", 1)) == ["t1"]
    assert await spans.get(mine, "t2", "b", NOW) is None
    assert await log.messages(mine, "t2", NOW) == []
    assert await Points(database).logged(mine, "m", window, NOW, 10) == []
    before = NOW - timedelta(seconds=1)
    assert await spans.get(mine, "t2", "b", before) is not None
    assert await log.purge(NOW, 1) >= 4
    while await log.purge(NOW, 100):
        pass
    assert await spans.get(mine, "t2", "b", before) is None
    assert await log.messages(mine, "t2", before) == []
    assert await ids(mine, Condition("n", "eq", 1)) == ["t1"]


async def test_a_span_is_kept_as_long_as_its_last_event_says(
    database: Database, projects: Two, log: TelemetryLog
) -> None:
    mine = projects.mine.id
    await log.start(SpanStart(place(mine, "a"), "work", None))
    await log.end(SpanEnd(replace(place(mine, "a", 1), expires_at=NOW), "ok"))
    assert await Spans(database).get(mine, "t1", "a", NOW) is not None


async def test_messages_are_kept_in_order(projects: Two, log: TelemetryLog) -> None:
    mine = projects.mine.id
    said = [Message(place(mine, "a", second, n=second), "warn", f"message {second}") for second in (2, 1)]
    for message in said:
        await log.say(message)
    assert await log.messages(mine, "t1", NOW) == said
    assert await log.messages(projects.other.id, "t1", NOW) == []


async def test_points_are_added_up_by_labels_unit_and_step(
    database: Database, projects: Two, log: TelemetryLog
) -> None:
    mine, start = projects.mine.id, int(NOW.timestamp())
    for second, value, labels in ((0, 1, {"m": "x"}), (59.9, 2, {"m": "x"}), (60, 4, {"m": "x"}), (61, 8, {"m": "y"})):
        await log.count(Point(place(mine, "a", second, **labels), "hits", value, "1"))
    await log.count(Point(place(mine, "a", 120), "hits", 100, "1"))
    await log.count(Point(place(projects.other.id, "a", 0), "hits", 100, "1"))
    points = Points(database)
    stepped = await points.logged(mine, "hits", Window(start, start + 120, 60), NOW, 3)
    assert [(one.labels, one.unit, one.sums) for one in stepped] == [
        ({"m": "x"}, "1", {start: 3, start + 60: 4}),
        ({"m": "y"}, "1", {start + 60: 8}),
    ]
    at_once = await points.logged(mine, "hits", Window(start, start + 120), NOW, 10)
    assert {one.labels["m"]: one.sums for one in at_once} == {"x": {start: 7}, "y": {start: 8}}
    with pytest.raises(TooManyPoints):
        await points.logged(mine, "hits", Window(start, start + 120, 60), NOW, 2)


async def test_tokens_of_requests_are_a_metric(database: Database, projects: Two, ledger: Ledger) -> None:
    mine, start = projects.mine.id, int(NOW.timestamp())
    records = [
        request(mine, 0.5),
        request(mine, 59.5),
        request(mine, 60, model="c/d"),
        request(mine, 200),
        request(mine, 1, model=None, provider=None),
        request(projects.other.id, 1),
    ]
    for record in records:
        await ledger.finish(record)
    points = Points(database)
    stepped = await points.of_requests(mine, "total_tokens", Window(start, start + 120, 60), 10)
    assert [(one.labels["model_id"], one.unit, one.sums) for one in stepped] == [
        ("a/b", "tokens", {start: 16}),
        ("c/d", "tokens", {start + 60: 8}),
    ]
    (one, _) = await points.of_requests(mine, "prompt_tokens", Window(start, start + 120), 10)
    assert one.sums == {start: 10}
    with pytest.raises(TooManyPoints):
        await points.of_requests(mine, "prompt_tokens", Window(start, start + 120), 1)


async def test_tokens_by_the_hour_are_those_of_the_requests_that_still_run_too(
    database: Database, projects: Two, ledger: Ledger
) -> None:
    random, mine, start = Random(13), projects.mine.id, int(NOW.timestamp())
    records = [
        request(
            mine, random.random() * 9 * 3600, state=random.choice(["completed", "failed", "started"]),
            model=random.choice(["a/b", "c/d"]), provider=random.choice(["a", "b", None]),
            prompt_tokens=random.randint(0, 99),
        )
        for _ in range(200)
    ]  # fmt: skip
    for record in records:
        await (ledger.start if record.state == "started" else ledger.finish)(record)
    for number in range(30):
        begin, end = sorted(start + random.choice([0, 3600, random.randint(-999, 36_000)]) for _ in "ab")
        step = [None, 3600, 7200, 1800, 86_400][number % 5]
        wanted: dict[tuple[str, str | None], dict[int, float]] = {}
        for record in records:
            at = int(record.started_at)
            if begin <= record.started_at < end:
                sums = wanted.setdefault((str(record.model), record.provider), {})
                place = at - at % step if step else begin
                sums[place] = sums.get(place, 0) + record.prompt_tokens
        series = await Points(database).of_requests(mine, "prompt_tokens", Window(begin, end, step), 1000)
        assert {(one.labels["model_id"], one.labels["provider_id"]): one.sums for one in series} == wanted
