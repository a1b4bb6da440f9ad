"""What apps report: taken once, metered exactly, kept as spans with stacks in original code, each project's own."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import func, select

from handlers.core.app_telemetry import (
    AppTelemetry,
    AppTelemetryCleaning,
    Envelope,
    Keeping,
    MapsAtHand,
    NewMap,
    Tariff,
)
from handlers.core.errors import Invalid, PaymentRequired
from handlers.core.files import FileStore
from handlers.core.files_cleaning import FileCleaning
from storage.blobs.local import LocalBlobs
from storage.database import Database
from storage.repositories.app_events import EVENTS
from storage.repositories.source_maps import MAPS
from storage.repositories.telemetry import Condition, Span, Telemetry, TracePage
from tests.contract.storage.conftest import Two

NOON = datetime(2026, 5, 30, 12, tzinfo=UTC).timestamp()
DAY = 86_400
SOURCE = "export function greet() {\n  throw new Error('no')\n}\ngreet()\n"
MAP = {
    "version": 3,
    "sources": ["src/greet.ts"],
    "sourcesContent": [SOURCE],
    "names": ["greet"],
    "mappings": "AACE,UAEFA",
}
"""Column 1 is line 2, column 3; column 11 is line 4, column 1, where `greet` is called."""
STACK = "Error: no\n    at a (https://cdn.example/js/app.min.js?v=1:1:1)\n    at https://cdn.example/js/app.min.js:1:11"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Run:
    """Steps of a job, done as they come."""

    async def step(self, name: str, act: Callable[[], Any]) -> Any:
        return await act()


@dataclass
class Bench:
    store: AppTelemetry
    clock: Clock
    mine: str
    other: str

    async def send(self, *events: Mapping[str, Any], project_id: str | None = None, **resource: Any) -> Any:
        envelope = Envelope(events, resource, {"name": "web"})
        return await self.store.ingest(project_id or self.mine, envelope)

    async def upload(self, content: bytes | None = None, **fields: Any) -> Any:
        new = NewMap("1.0", "~/js/app.min.js", "app.min.js.map", "application/json", content or orjson.dumps(MAP))
        return await self.store.upload(self.mine, replace(new, **fields))

    async def spans(self, key: str, value: Any, project_id: str | None = None) -> list[Span]:
        telemetry, now = Telemetry.on(self.store.database), datetime.fromtimestamp(self.clock.now, UTC)
        page = TracePage([Condition(key, "eq", value)])
        project = project_id or self.mine
        traces = await telemetry.traces.list(project, page, now)
        return list(await telemetry.spans.of_traces(project, [trace.trace_id for trace in traces], now, 100))


@pytest.fixture
async def bench(database: Database, projects: Two, tmp_path: Path) -> Bench:
    clock, numbers = Clock(), count()
    store = AppTelemetry(
        database=database,
        blobs=LocalBlobs(tmp_path),
        at_hand=MapsAtHand(2**20),
        clock=clock,
        new_id=lambda noun: f"{noun}-{projects.mine.id}-{next(numbers)}",
        tariff=Tariff(free_units=100),
        keeping=Keeping(event_days=30, map_days=90),
    )
    return Bench(store, clock, projects.mine.id, projects.other.id)


def at(seconds: float = 0) -> str:
    return datetime.fromtimestamp(NOON + seconds, UTC).isoformat()


def error(**fields: Any) -> dict[str, Any]:
    return {
        "type": "error",
        "timestamp": at(),
        "exception": {"type": "Error", "message": "no", "stack": STACK},
    } | fields


async def test_a_stack_is_kept_in_original_code(bench: Bench) -> None:
    await bench.upload()
    taken = await bench.send(error(attributes={"case": "one"}), **{"service.version": "1.0"})
    assert (taken.accepted, taken.rejected, taken.warnings) == (1, 0, [])
    (span,) = await bench.spans("exception.type", "Error")
    told = span.attributes
    assert (span.name, span.status, told["case"], told["service.version"], told["sdk.name"]) == (
        "Error",
        "error",
        "one",
        "1.0",
        "web",
    )
    assert told["exception.stacktrace"] == ("Error: no\n    at greet (src/greet.ts:2:3)\n    at src/greet.ts:4:1")
    first, second = told["exception.frames"]
    assert first["generated"] == {
        "function": "a",
        "file": "https://cdn.example/js/app.min.js?v=1",
        "line": 1,
        "column": 1,
    }
    assert first["context"] == {"start": 1, "lines": SOURCE.split("\n")}
    assert (second["symbolicated"], second["line"], second["column"]) == (True, 4, 1)


@pytest.mark.parametrize("release", [None, "2.0"])
async def test_without_a_map_of_the_release_a_stack_stays_as_it_came(bench: Bench, release: str | None) -> None:
    await bench.upload()
    taken = await bench.send(error(), **({"release": release} if release else {}))
    (span,) = await bench.spans("exception.type", "Error")
    assert span.attributes["exception.stacktrace"] == STACK
    assert [frame["symbolicated"] for frame in span.attributes["exception.frames"]] == [False, False]
    assert len(taken.warnings) == (2 if release else 0)


async def test_events_belong_to_their_traces(bench: Bench) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    root = {"type": "span", "name": "load", "trace_id": trace, "span_id": "b7ad6b7169203331", "timestamp": at()}
    await bench.send(
        {**root, "duration_ms": 1500},
        {"type": "log", "message": "slow", "trace_id": trace, "span_id": "b7ad6b7169203331", "timestamp": at(1)},
        {"type": "page_view", "name": "/home", "session_id": "s1", "user": {"id": 7}},
    )
    load, log = await bench.spans("app.message", "slow")
    assert load.ended_at is not None
    assert (load.name, load.ended_at - load.started_at) == ("load", timedelta(seconds=1.5))
    assert (log.name, log.parent_span_id, log.started_at - load.started_at) == (
        "log",
        load.span_id,
        timedelta(seconds=1),
    )
    (view,) = await bench.spans("session.id", "s1")
    assert (view.attributes["user.id"], view.attributes["app.event"], view.parent_span_id) == (7, "page_view", None)
    assert (await bench.spans("app.event", "page_view", bench.other)) == []


async def test_what_is_sent_again_is_not_counted_again(bench: Bench) -> None:
    events = [error(event_id="e1"), {"type": "log", "timestamp": at(), "message": "m"}, {"type": "event"}]
    first = await bench.send(*events, events[0])
    again = await bench.send(*events)
    assert (first.units, first.accepted, again.units, again.accepted) == (5 + 1 + 1, 4, 1, 3)
    assert again.warnings == ["2 had been taken before, and are not counted again"]
    assert (await bench.send(error(event_id="e1"), project_id=bench.other)).units == 5
    usage = await bench.store.usage(bench.mine)
    assert (usage.units, usage.events, usage.errors, usage.month) == (8, 4, 1, "2026-05")


async def test_of_one_envelope_sent_many_times_at_once_each_event_counts_once(bench: Bench) -> None:
    events = [{"type": "log", "event_id": f"{number}"} for number in range(10)]
    taken = await asyncio.gather(*(bench.send(*events) for _ in range(5)))
    assert sum(one.units for one in taken) == 10
    assert (await bench.store.usage(bench.mine)).units == 10


async def test_beyond_the_months_units_nothing_is_taken_without_a_price(bench: Bench) -> None:
    await bench.send(*({"type": "event"} for _ in range(98)))
    with pytest.raises(PaymentRequired):
        await bench.send(error(event_id="big"))
    outcomes = await asyncio.gather(*(bench.send({"type": "log"}) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, PaymentRequired) for one in outcomes) == 3
    assert (await bench.store.usage(bench.mine)).units == 100
    bench.clock.now += 2 * DAY
    assert (await bench.send(error(event_id="big"))).units == 5
    assert (await bench.store.usage(bench.mine)).units == 5


async def test_with_a_price_the_units_beyond_add_up(bench: Bench) -> None:
    bench.store = replace(bench.store, tariff=Tariff(free_units=7, unit_usd=0.25))
    taken = [await bench.send(error(event_id=f"{number}")) for number in range(3)]
    assert [one.billed_units for one in taken] == [0, 3, 5]
    usage = await bench.store.usage(bench.mine)
    assert (usage.units, usage.billed_units, usage.cost_usd) == (15, 8, 2.0)
    assert (await bench.store.usage(bench.other)).units == 0


async def test_maps_beyond_the_free_megabytes_are_metered(bench: Bench) -> None:
    bench.store = replace(bench.store, tariff=Tariff(free_units=15, unit_usd=1.0, free_map_megabytes=0))
    first, same, second = await bench.upload(), await bench.upload(), await bench.upload(file_name="b.js.map")
    assert [one.billed_units for one in (first, same, second)] == [0, 0, 0]
    assert (await bench.store.usage(bench.mine)).units == 10
    assert same.map == first.map


async def test_a_new_map_takes_the_place_of_the_old(bench: Bench) -> None:
    first = await bench.upload()
    second = await bench.upload(gzip.compress(orjson.dumps(MAP | {"sources": ["src/other.ts"]})))
    assert (second.map.id, second.map.original_bytes) == (first.map.id, len(orjson.dumps(MAP)))
    await bench.send(error(), release="1.0")
    (span,) = await bench.spans("exception.type", "Error")
    assert "src/other.ts:2:3" in span.attributes["exception.stacktrace"]
    cleaning = FileCleaning(FileStore(bench.store.database, bench.store.blobs, bench.clock, bench.store.new_id))
    bench.clock.now += 1
    assert (await cleaning.run(Run()))["blobs"] == 1  # type: ignore[arg-type]
    assert await bench.store.blobs.exists(second.map.blob_key)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x1f\x8bxx", orjson.dumps(MAP | {"mappings": "AACE,g"})])
async def test_what_is_no_source_map_is_refused(bench: Bench, content: bytes) -> None:
    with pytest.raises(Invalid):
        await bench.upload(content or b" ")


async def test_events_that_cannot_be_right_are_left_out_alone(bench: Bench) -> None:
    wrong: list[dict[str, Any]] = [
        {"timestamp": at(2 * DAY)},
        {"timestamp": at(-31 * DAY)},
        {"timestamp": "2026-02-30T00:00:00Z"},
        {"trace_id": "x" * 257},
        {"session_id": "a\0b"},
        {"event_id": 5},
        {"attributes": {f"{n}": n for n in range(129)}},
        {"message": "x" * 300_000},
    ]
    taken = await bench.send({"type": "log"}, *({"type": "event"} | one for one in wrong))
    assert (taken.accepted, taken.rejected, len(taken.warnings)) == (1, len(wrong), len(wrong))
    assert (await bench.send({"type": "log", "timestamp": "2026-05-29t23:59:60.5+02:00"})).accepted == 1
    for moment in ("", "yesterday", "2026-05-30", "2026-05-30T10:00:00"):
        with pytest.raises(Invalid):
            await bench.send({"type": "log", "timestamp": moment})
    with pytest.raises(Invalid):
        await bench.store.ingest(bench.mine, Envelope([{"type": "log"}], {f"{n}": n for n in range(200)}, {}))


async def test_whole_sessions_are_sampled_and_errors_never_left_out(bench: Bench) -> None:
    bench.store = replace(bench.store, keeping=Keeping(rate=0.5), tariff=Tariff())
    for session in range(40):
        await bench.send({"type": "log", "session_id": f"{session}"}, {"type": "event", "session_id": f"{session}"})
        await bench.send(error(session_id=f"{session}"))
    usage = await bench.store.usage(bench.mine)
    assert usage.errors == 40
    logs = {span.attributes["session.id"] for span in await bench.spans("app.event", "log")}
    assert {span.attributes["session.id"] for span in await bench.spans("app.event", "event")} == logs
    assert 5 < len(logs) < 35


async def test_what_is_over_is_forgotten(bench: Bench) -> None:
    await bench.upload()
    await bench.upload(release="2.0")
    await bench.send(error(event_id="e"), release="1.0")
    cleaning = AppTelemetryCleaning(bench.store)
    bench.clock.now += 60 * DAY
    assert (await bench.spans("exception.type", "Error")) == []
    assert (await bench.send(error(event_id="e", timestamp=at(60 * DAY)), release="1.0")).units == 5
    await bench.send(error(event_id="f", timestamp=at(60 * DAY)), release="1.0")
    for days, events, maps in ((0, 2, 2), (29, 2, 2), (2, 0, 1), (60, 0, 0)):
        bench.clock.now += days * DAY
        await cleaning.run(Run())  # type: ignore[arg-type]
        assert (await _count(bench, EVENTS), await _count(bench, MAPS)) == (events, maps)


async def _count(bench: Bench, table: Any) -> int:
    query = select(func.count()).select_from(table).where(table.c.project_id == bench.mine)
    async with bench.store.database.reading() as connection:
        return int((await connection.execute(query)).scalar_one())
