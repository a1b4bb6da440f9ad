"""The page of metrics, read by Prometheus' own parser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from handlers.core.breakers import Breakers, Rule
from handlers.core.catalog import Catalog, CatalogHolder, Deployment
from server.auth.credentials import Overseer
from server.binding.watch import OpenStreams, Watch
from server.metrics import families
from server.metrics.counters import Counters
from server.metrics.lag import Lag
from server.metrics.page import Page, Sources
from server.metrics.snapshot import load
from storage.database import Database
from storage.repositories.jobs import Job, Jobs
from storage.tables.types import instant
from tests.unit.core.conftest import lose
from tests.unit.handlers.bench import FULL, NOW
from tests.unit.server.observing.records import failed, record


class Sent:
    sent = 7
    dropped = 2


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    opened = Database.open(f"sqlite:///{tmp_path}/concordat.db")
    await opened.ensure_current()
    yield opened
    await opened.close()


@pytest.fixture
def sources(database: Database) -> Sources:
    return Sources(
        counters=Counters(CatalogHolder(Catalog([FULL]))),
        lag=Lag(),
        streams=OpenStreams(),
        breakers=Breakers(Rule(failures=1)),
        jobs=Jobs(database),
        loads=lambda: {"openai": (3, 1)},
        backlog_rows=lambda: 5,
        clock=lambda: NOW,
        exporting=Sent(),
    )


async def samples_of(sources: Sources) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and the values of the labels, in the order of their names."""
    page = (await Page(sources).render()).decode()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


async def test_requests_are_counted_by_what_they_were_and_came_to(sources: Sources) -> None:
    for one in (record(), record(), failed(), record(operation_id="models_list", model=None, provider=None)):
        sources.counters.ended(one, None)
    samples = await samples_of(sources)
    name, chat = "concordat_requests_total", ("maniac", "openai/gpt-5.5", "chat_completions_create", "openai")
    assert samples[name, (*chat, "200")] == 2
    assert samples[name, (*chat, "502")] == 1
    assert samples[name, ("maniac", "", "models_list", "", "200")] == 1


async def test_latencies_fall_into_buckets_that_add_up(sources: Sources) -> None:
    for duration_us in (100_000, 300_000, 900_000_000):
        sources.counters.ended(record(duration_us=duration_us), None)
    page = (await Page(sources).render()).decode()
    (histogram,) = [
        found for found in text_string_to_metric_families(page) if found.name == "concordat_request_duration_seconds"
    ]
    buckets = {sample.labels["le"]: sample.value for sample in histogram.samples if sample.name.endswith("_bucket")}
    assert (buckets["0.05"], buckets["0.1"], buckets["0.5"], buckets["300.0"], buckets["+Inf"]) == (0, 1, 2, 2, 3)
    told = {sample.name: sample.value for sample in histogram.samples}
    assert told["concordat_request_duration_seconds_count"] == 3
    assert told["concordat_request_duration_seconds_sum"] == pytest.approx(900.4)


async def test_tokens_and_cost_add_up(sources: Sources) -> None:
    for one in (record(), record(cached_tokens=6), record(cost_micros=0)):
        sources.counters.ended(one, None)
    samples = await samples_of(sources)
    assert samples["concordat_tokens_total", ("openai/gpt-5.5", "openai", "prompt")] == 30
    assert samples["concordat_tokens_total", ("openai/gpt-5.5", "openai", "completion")] == 12
    assert samples["concordat_tokens_total", ("openai/gpt-5.5", "openai", "cached")] == 6
    assert samples["concordat_cost_usd_total", ("openai/gpt-5.5", "openai")] == pytest.approx(0.0005)


async def test_what_tenants_name_is_no_label(sources: Sources) -> None:
    for number in range(50):
        sources.counters.ended(record(model=f"secret-project/model-{number}"), None)
    samples = await samples_of(sources)
    assert samples["concordat_tokens_total", ("other", "openai", "prompt")] == 500
    assert "secret-project" not in (await Page(sources).render()).decode()


async def test_states_are_looked_up_when_asked_for(sources: Sources, database: Database) -> None:
    sources.breakers.fail(Deployment("openai", "a"))
    sources.breakers.fail(Deployment("openai", "b"))
    sources.counters.refused("ipop", 401)
    async with database.writing() as tx:
        await Jobs(database).insert(tx, Job("job-1", None, "maintenance", None, instant(NOW - 90)))
        for name, ended in (("job-2", NOW - 60), ("job-3", NOW - 7200)):
            job = Job(name, None, "maintenance", None, instant(NOW), "failed", finished_at=instant(ended))
            await Jobs(database).insert(tx, job)
    async with Watch(None, sources.streams), Watch(None, sources.streams) as streaming:
        streaming.is_streaming = True
        samples = await samples_of(sources)
    assert samples["concordat_requests_in_progress", ()] == 2
    assert samples["concordat_open_streams", ()] == 1
    assert samples["concordat_breakers", ("openai", "open")] == 2
    assert samples["concordat_provider_calls", ("openai", "running")] == 3
    assert samples["concordat_provider_calls", ("openai", "waiting")] == 1
    assert samples["concordat_ledger_backlog_rows", ()] == 5
    assert samples["concordat_requests_refused_total", ("ipop", "401")] == 1
    assert samples["concordat_jobs", ("queued",)] == 1
    assert samples["concordat_jobs", ("failed",)] == 1
    assert samples["concordat_oldest_queued_job_seconds", ()] == 90
    assert samples["concordat_otlp_spans_sent_total", ()] == 7
    assert samples["concordat_otlp_spans_dropped_total", ()] == 2
    assert samples["process_resident_memory_bytes", ()] > 2**20


async def test_every_family_of_the_page_is_listed_with_its_labels(sources: Sources) -> None:
    sources.counters.ended(record(), None)
    page = (await Page(sources).render()).decode()
    shown = {found.name: found for found in text_string_to_metric_families(page) if found.name.startswith("concordat")}
    listed = {family.name: family for family in families.FAMILIES}
    assert shown.keys() == listed.keys()
    for name, found in shown.items():
        assert (found.type, found.documentation) == (listed[name].kind, listed[name].help)
        for sample in found.samples:
            assert set(sample.labels) - {"le"} == set(listed[name].labels)


async def test_the_page_is_there_without_the_database(sources: Sources, database: Database) -> None:
    sources.counters.ended(record(), None)
    lose(database)
    samples = await samples_of(sources)
    assert samples["concordat_ledger_backlog_rows", ()] == 5
    assert not any(name == "concordat_jobs" for name, _ in samples)


async def test_lag_is_what_a_timer_is_late() -> None:
    times = iter((0.0, 0.7, 0.7, 1.2))

    class Enough(Exception):
        pass

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise Enough

    slept: list[float] = []
    lag = Lag(sleep, lambda: next(times, 9.0))
    with pytest.raises(Enough):
        await lag.run()
    (cell,) = lag.seconds.copy().values()
    assert cell[-1] == pytest.approx(0.2)
    assert sum(cell[:-1]) == 2


class Ring:
    async def find(self, presented: str) -> None:
        raise AssertionError("a key opens nothing here")

    async def admin(self, token: str) -> bool:
        return token == "the-admin-token"


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({}, False),
        ({"authorization": "Bearer a-project's-key"}, False),
        ({"authorization": "Bearer "}, False),
        ({"authorization": "Basic the-metrics-token"}, False),
        ({"authorization": "Bearer the-metrics-token"}, True),
        ({"authorization": "bearer the-admin-token"}, True),
        ({"x-admin-token": "the-admin-token"}, True),
        ({"x-admin-token": "ünknown"}, False),
        ({"x-api-key": "the-admin-token"}, False),
    ],
)
async def test_the_page_is_for_operators(headers: dict[str, str], admitted: bool) -> None:
    assert await Overseer(Ring(), "the-metrics-token").admits(headers) is admitted
    if headers.get("authorization") == "Bearer the-metrics-token":
        assert not await Overseer(Ring(), None).admits(headers)


class Neighbours:
    """Processes that share the port, and have said this."""

    number = 1

    def __init__(self, *said: bytes) -> None:
        self.said = said

    async def ask(self) -> tuple[bytes, ...]:
        return self.said


async def test_processes_on_one_port_are_shown_side_by_side(sources: Sources) -> None:
    neighbour = replace(Page(sources).snapshot(), worker=2)
    sources.counters.ended(record(), None)
    page = (await Page(sources, Neighbours(neighbour.dump())).render()).decode()
    found = {family.name: family.samples for family in text_string_to_metric_families(page)}
    assert [(s.labels["worker"], s.value) for s in found["concordat_requests"]] == [("1", 1.0)]
    backlog = [(sample.labels, sample.value) for sample in found["concordat_ledger_backlog_rows"]]
    assert backlog == [({"worker": "1"}, 5.0), ({"worker": "2"}, 5.0)]
    assert {sample.labels["worker"] for sample in found["process_resident_memory_bytes"]} == {"1", "2"}
    assert [(sample.labels, sample.value) for sample in found["concordat_workers"]] == [({}, 2.0)]
    assert [sample.labels for sample in found["concordat_oldest_queued_job_seconds"]] == [{}]


async def test_what_a_process_counts_reaches_another_whole(sources: Sources) -> None:
    sources.counters.ended(record(), None)
    snapshot = Page(sources).snapshot()
    assert load(snapshot.dump()) == snapshot
