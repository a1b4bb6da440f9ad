"""The telemetry operations of both Llama Stack documents, over a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from codegen.generated.llama_stack.routes import (
    SpansGetParams,
    SpansQueryParams,
    SpansTreeGetParams,
    TracesGetParams,
    TracesQueryParams,
)
from codegen.generated.llama_stack_deprecated import routes as old
from handlers.core.call import Call, Caller
from handlers.core.errors import CoreError, Invalid, NotFound, TooLarge
from handlers.llama_stack import telemetry as january
from handlers.llama_stack_deprecated import telemetry as october
from storage.database import Database
from storage.ledger.writer import Ledger
from storage.ledger_record import Record
from storage.presence import Presence
from storage.repositories.telemetry import Telemetry
from tests.unit.handlers.bench import NOW, body_of, check_answer, make_call, make_services

START = int(NOW) // 3600 * 3600 - 3600


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database.open(f"sqlite:///{tmp_path}/concordat.db")
    await opened.ensure_current()
    yield opened
    await opened.close()


@pytest.fixture
def call(database: Database) -> Call:
    return make_call("llama_stack", make_services(telemetry=Telemetry.on(database)))


@pytest.fixture
def stranger(call: Call) -> Call:
    return replace(call, who=Caller("project-2", "other", "key-2"))


def at(second: float) -> str:
    return datetime.fromtimestamp(START + second, UTC).isoformat()


async def log(call: Call, event: dict[str, Any], ttl_seconds: int = 3600) -> None:
    event = {"trace_id": "t1", "span_id": "root", "timestamp": at(0), **event}
    await january.telemetry_events_log(body_of({"event": event, "ttl_seconds": ttl_seconds}), call)


async def log_span(call: Call, span_id: str, second: int = 0, parent: str | None = None, **more: Any) -> None:
    """From `second` on, a second long; `more` are attributes, and its `trace_id`."""
    trace_id = more.pop("trace_id", "t1")
    start = {"type": "span_start", "name": f"the {span_id}"} | ({"parent_span_id": parent} if parent else {})
    common = {"type": "structured_log", "trace_id": trace_id, "span_id": span_id}
    await log(call, {**common, "timestamp": at(second), "attributes": more, "payload": start})
    end = {"type": "span_end", "status": "ok"}
    await log(call, {**common, "timestamp": at(second + 1), "payload": end})


async def log_agent(call: Call) -> None:
    """A session as agents log it: the root names the session, steps below it have input and output."""
    await log_span(call, "root", 0, session_id="s1")
    await log_span(call, "turn", 1, "root", turn_id="u1")
    await log_span(call, "step-1", 2, "turn", input="a", output="b", model="m")
    await log_span(call, "step-2", 3, "turn", input="c", output="d")
    await log_span(call, "else", 4, trace_id="t2", session_id="s2", input="x", output="y")


SESSION = [{"key": "session_id", "op": "eq", "value": "s1"}]


async def spans_of(call: Call, **given: Any) -> list[dict[str, Any]]:
    """By both operations, which answer the same."""
    asked = {"attribute_filters": SESSION, "attributes_to_return": [], **given}
    found = check_answer(
        "llama_stack", "GET /v1/telemetry/spans", await january.spans_query(SpansQueryParams(**asked), call)
    )
    posted = await october.spans_query(body_of(asked), call)
    assert check_answer("llama_stack_deprecated", "POST /v1/telemetry/spans", posted) == found
    return found["data"]  # type: ignore[no-any-return]


async def tree_of(call: Call, span_id: str, **given: Any) -> dict[str, Any]:
    tree = await january.spans_tree_get(SpansTreeGetParams(span_id, **given), call)
    found = check_answer("llama_stack", "GET /v1/telemetry/spans/{span_id}/tree", tree)
    posted = await october.spans_tree_get(old.SpansTreeGetParams(span_id), body_of(given), call)
    assert check_answer("llama_stack_deprecated", "POST /v1/telemetry/spans/{span_id}/tree", posted) == found
    return found["data"]  # type: ignore[no-any-return]


async def traces_of(call: Call, **given: Any) -> list[str]:
    found = check_answer(
        "llama_stack", "GET /v1/telemetry/traces", await january.traces_query(TracesQueryParams(**given), call)
    )
    posted = await october.traces_query(body_of(given), call)
    assert check_answer("llama_stack_deprecated", "POST /v1/telemetry/traces", posted) == found
    return [trace["trace_id"] for trace in found["data"]]


async def test_spans_of_a_session_are_those_with_the_attributes_asked_for(call: Call) -> None:
    await log_agent(call)
    found = await spans_of(call, attributes_to_return=["input", "output"])
    assert [(span["span_id"], span["attributes"]) for span in found] == [
        ("step-1", {"input": "a", "output": "b"}),
        ("step-2", {"input": "c", "output": "d"}),
    ]
    assert [span["span_id"] for span in await spans_of(call)] == ["root", "turn", "step-1", "step-2"]
    assert [span["span_id"] for span in await spans_of(call, max_depth=2)] == ["root", "turn"]
    assert {span["trace_id"] for span in await spans_of(call, attribute_filters=[])} == {"t1", "t2"}


async def test_a_tree_is_the_span_and_what_is_below(call: Call) -> None:
    await log_agent(call)
    tree = await tree_of(call, "turn")
    assert list(tree) == ["turn", "step-1", "step-2"]
    assert {span["status"] for span in tree.values()} == {"ok"}
    assert list(await tree_of(call, "root", max_depth=2)) == ["root", "turn"]
    assert list(await tree_of(call, "root", max_depth=0)) == ["root"]
    picked = await tree_of(call, "step-1", attributes_to_return=["model"])
    assert picked["step-1"]["attributes"] == {"model": "m"}


async def test_spans_that_are_their_own_parents_are_met_once(call: Call) -> None:
    await log_span(call, "a", 0, "b", session_id="s1")
    await log_span(call, "b", 1, "a")
    assert list(await tree_of(call, "a")) == ["a", "b"]
    await log_span(call, "self", 2, "self", trace_id="t3")
    assert list(await tree_of(call, "self")) == ["self"]


async def test_traces_are_ordered_and_paged(call: Call) -> None:
    await log_agent(call)
    assert await traces_of(call) == ["t1", "t2"]
    assert await traces_of(call, order_by=["-start_time"]) == ["t2", "t1"]
    assert await traces_of(call, order_by=["-start_time"], limit=1, offset=1) == ["t1"]
    assert await traces_of(call, attribute_filters=[{"key": "session_id", "op": "gt", "value": "s1"}]) == ["t2"]


async def test_a_trace_ends_with_its_root(call: Call) -> None:
    await log_agent(call)
    for answer in (
        await january.traces_get(TracesGetParams("t1"), call),
        await october.traces_get(old.TracesGetParams("t1"), call),
    ):
        check_answer("llama_stack", "GET /v1/telemetry/traces/{trace_id}", answer)
        assert answer == {"trace_id": "t1", "root_span_id": "root", "start_time": at(0), "end_time": at(1)}


async def test_one_span_is_read_by_its_trace_and_its_id(call: Call) -> None:
    await log_agent(call)
    for answer in (
        await january.spans_get(SpansGetParams("t1", "turn"), call),
        await october.spans_get(old.SpansGetParams("t1", "turn"), call),
    ):
        check_answer("llama_stack", "GET /v1/telemetry/traces/{trace_id}/spans/{span_id}", answer)
        assert (answer["parent_span_id"], answer["attributes"]) == ("root", {"turn_id": "u1"})
    with pytest.raises(NotFound):
        await january.spans_get(SpansGetParams("t2", "turn"), call)


async def test_nobody_else_sees_it(call: Call, stranger: Call) -> None:
    await log_agent(call)
    await log(call, metric(1))
    assert await traces_of(stranger) == []
    assert await spans_of(stranger, attribute_filters=[]) == []
    assert await series(stranger) == []
    looks = [
        january.traces_get(TracesGetParams("t1"), stranger),
        october.traces_get(old.TracesGetParams("t1"), stranger),
        january.spans_get(SpansGetParams("t1", "turn"), stranger),
        october.spans_get(old.SpansGetParams("t1", "turn"), stranger),
        january.spans_tree_get(SpansTreeGetParams("turn"), stranger),
        october.spans_tree_get(old.SpansTreeGetParams("turn"), body_of({}), stranger),
    ]
    for look in looks:
        with pytest.raises(NotFound):
            await look


async def test_what_has_expired_is_gone(call: Call) -> None:
    await log(call, {"type": "structured_log", "payload": {"type": "span_start", "name": "brief"}}, ttl_seconds=60)
    assert await traces_of(call) == ["t1"]
    later = replace(call, services=replace(call.services, clock=lambda: NOW + 60))
    assert await traces_of(later) == []
    with pytest.raises(NotFound):
        await january.traces_get(TracesGetParams("t1"), later)


async def test_messages_are_kept(call: Call) -> None:
    await log(call, {"type": "unstructured_log", "message": "hello", "severity": "warn", "attributes": {"n": None}})
    (message,) = await call.services.telemetry.log.messages("project-1", "t1", datetime.fromtimestamp(NOW, UTC))
    assert (message.message, message.severity, message.place.attributes) == ("hello", "warn", {"n": None})


SPAN = {"type": "structured_log", "payload": {"type": "span_start", "name": "x"}}
REFUSED: list[tuple[dict[str, Any], int, type[CoreError]]] = [
    ({"timestamp": ""}, 60, Invalid),
    ({"timestamp": "0001-01-01T00:00:00+10:00"}, 60, Invalid),
    ({"trace_id": ""}, 60, Invalid),
    ({"trace_id": "a\0"}, 60, Invalid),
    ({"span_id": "a" * 257}, 60, Invalid),
    ({"payload": {"type": "span_start", "name": "x", "parent_span_id": "a" * 257}}, 60, Invalid),
    ({"attributes": {str(n): n for n in range(129)}}, 60, Invalid),
    ({"attributes": {"a" * 257: 1}}, 60, Invalid),
    ({"attributes": {"a": "a" * 300_000}}, 60, TooLarge),
    ({}, 0, Invalid),
    ({}, -1, Invalid),
    ({}, 2**62, Invalid),
    ({"type": "metric", "metric": "", "value": 1, "unit": "s"}, 60, Invalid),
]


@pytest.mark.parametrize(("event", "ttl_seconds", "error"), REFUSED)
async def test_events_that_cannot_be_kept_are_refused(
    call: Call, event: dict[str, Any], ttl_seconds: int, error: type[CoreError]
) -> None:
    with pytest.raises(error):
        await log(call, SPAN | event, ttl_seconds)


@pytest.mark.parametrize(
    "given", [{"order_by": ["end_time"]}, {"order_by": ["start_time", "trace_id"]}, {"limit": -1}, {"offset": -1},
              {"limit": 1001}, {"offset": 100_001}]
)  # fmt: skip
async def test_pages_that_cannot_be_made_are_refused(call: Call, given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await january.traces_query(TracesQueryParams(**given), call)


async def test_more_spans_than_can_be_answered_are_refused(call: Call, database: Database) -> None:
    async with database.writing() as tx:
        for number in range(1001):
            await tx.exec_driver_sql(
                "INSERT INTO telemetry_traces (project_id, trace_id, root_span_id, is_rooted, started_at, expires_at)"
                " VALUES ('project-1', ?, 'r', 1, '2026-01-01 00:00:00.000000', '2099-01-01 00:00:00.000000')",
                (f"t{number}",),
            )
    with pytest.raises(Invalid) as caught:
        await spans_of(call, attribute_filters=[])
    assert caught.value.code == "too_many_spans"


def metric(value: float, second: float = 0, unit: str = "ms", **labels: Any) -> dict[str, Any]:
    point = {"type": "metric", "metric": "latency", "value": value, "unit": unit}
    return {**point, "timestamp": at(second), "attributes": labels}


async def series(call: Call, name: str = "latency", **given: Any) -> list[Any]:
    asked = {"start_time": START, "query_type": "range", "granularity": "1m", **given}
    answer = await october.metrics_query(old.MetricsQueryParams(name), body_of(asked), call)
    found = check_answer("llama_stack_deprecated", "POST /v1/telemetry/metrics/{metric_name}", answer)
    assert {one["metric"] for one in found["data"]} <= {name}
    return [
        (
            {label["name"]: label["value"] for label in one["labels"]},
            [(point["timestamp"] - START, point["value"]) for point in one["values"]],
        )
        for one in found["data"]
    ]


async def log_metrics(call: Call) -> None:
    for point in (metric(1, 0, host="a", n=1), metric(2, 59, host="a", n=1), metric(4, 60, host="a", n=1)):
        await log(call, point)
    await log(call, metric(8, 1, host="b"))


async def test_a_range_has_a_sum_for_each_step(call: Call) -> None:
    await log_metrics(call)
    assert await series(call) == [
        ({"host": "a", "n": "1"}, [(0, 3), (60, 4)]),
        ({"host": "b"}, [(0, 8)]),
    ]
    assert await series(call, granularity="1h", end_time=START + 60) == [
        ({"host": "a", "n": "1"}, [(0, 3)]),
        ({"host": "b"}, [(0, 8)]),
    ]
    assert await series(call, "unknown") == []


async def test_an_instant_has_one_sum_at_its_end(call: Call) -> None:
    await log_metrics(call)
    asked: dict[str, Any] = {"query_type": "instant", "end_time": START + 120}
    assert await series(call, **asked) == [({"host": "a", "n": "1"}, [(120, 7)]), ({"host": "b"}, [(120, 8)])]


@pytest.mark.parametrize(
    ("operator", "value", "hosts"),
    [
        ("=", "a", ["a"]),
        ("!=", "a", ["b"]),
        ("=~", "a|c", ["a"]),
        ("=~", "[ab]", ["a", "b"]),
        ("=~", "", []),
        ("!~", "a.*", ["b"]),
        ("!~", "z", ["a", "b"]),
    ],
)
async def test_labels_are_matched_whole(call: Call, operator: str, value: str, hosts: list[str]) -> None:
    await log_metrics(call)
    matcher = {"name": "host", "operator": operator, "value": value}
    assert [labels["host"] for labels, _ in await series(call, label_matchers=[matcher])] == hosts


async def test_a_label_that_is_not_there_is_empty(call: Call) -> None:
    await log_metrics(call)
    found = await series(call, label_matchers=[{"name": "n", "operator": "=", "value": ""}])
    assert [labels for labels, _ in found] == [{"host": "b"}]


@pytest.mark.parametrize("pattern", ["(", "a)|(b", r"(a)\1", "(?=a)", "a" * 513, "a{1000}{1000}{1000}"])
async def test_patterns_that_take_more_than_linear_time_are_refused(call: Call, pattern: str) -> None:
    with pytest.raises(Invalid):
        await series(call, label_matchers=[{"name": "host", "operator": "=~", "value": pattern}])


@pytest.mark.parametrize(
    "given",
    [
        {"granularity": "fortnight"},
        {"granularity": "0m"},
        {"granularity": "1s", "start_time": 0},
        {"start_time": -1},
        {"start_time": 2**70},
        {"end_time": START - 1},
    ],
)
async def test_windows_that_cannot_be_are_refused(call: Call, given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await series(call, **given)


async def test_tokens_of_requests_and_of_logged_points_are_one_metric(call: Call, database: Database) -> None:
    ledger = Ledger(database, Presence(database))
    await ledger.open()
    for second, model in ((1, "m/one"), (2, "m/one"), (3, "m/two")):
        record = Record(f"req_{second:024x}", "ipop", "chat_completions_create", START + second, "project-1")
        record.state, record.kind, record.model, record.provider = "completed", "chat", model, "m"
        record.prompt_tokens, record.completion_tokens = 10, 5
        await ledger.finish(record)
    await ledger.close()
    labels = {"model_id": "m/two", "provider_id": "m"}
    await log(call, metric(100, 4, "tokens", **labels) | {"metric": "total_tokens"})
    found = await series(call, "total_tokens", granularity="1m")
    assert sorted(found, key=lambda one: one[0]["model_id"]) == [
        ({"model_id": "m/one", "provider_id": "m"}, [(0, 30)]),
        (labels, [(0, 115)]),
    ]
    assert sum(points[0][1] for _, points in await series(call, "prompt_tokens")) == 30
